// `node summary.mjs REPORT CODE`: prints `N passed, N failed` from vitest's own report and exit code.
// A skipped test counts as failed: in CI everything must run.
import { readFileSync } from 'node:fs'

let report
try {
  report = JSON.parse(readFileSync(process.argv[2], 'utf8'))
} catch (error) {
  console.error(`There is no report of the tests: ${error.message}`)
  console.log('0 passed, 1 failed')
  process.exit(1)
}

let passed = 0
let failed = 0
for (const file of report.testResults) {
  for (const test of file.assertionResults) {
    if (test.status === 'passed') passed += 1
    else {
      failed += 1
      if (test.status !== 'failed') console.error(`${test.status}: ${file.name}: ${test.fullName}`)
    }
  }
  // A file that did not load has no tests in the report.
  if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
    failed += 1
    console.error(`failed: ${file.name}: ${file.message}`)
  }
}
// An unhandled rejection is in the exit code only.
if ((!report.success || process.argv[3] !== '0') && failed === 0) {
  failed = 1
  console.error('failed: an error outside of the tests; see above')
}
if (passed === 0) failed = Math.max(failed, 1)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
