import { readFileSync } from 'node:fs'

export type Environment = Readonly<Record<string, string | undefined>>

/** The environment, read here and nowhere else; every command gets it from here, tests pass their own. */
export const environment = (): Environment => process.env

/** Variables with a secret, which may also be named by a file: `DATABASE_URL_FILE=/run/secrets/database`. */
const fileVariables = ['DATABASE_URL', 'SIGNALBOX_TOKEN'] as const
/** The same, but read by the gateway, each time it needs the key: here they are only checked. */
const keyFileVariables = ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY'] as const

/**
 * The environment without empty values, and with the content of what `NAME_FILE` names as NAME. What is wrong with a file
 * is added to `problems`; no value is in the text.
 */
export function withFiles(env: Environment, problems: string[] = []): Record<string, string> {
  const values: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) if (value) values[name] = value
  for (const name of [...fileVariables, ...keyFileVariables]) {
    const file = values[`${name}_FILE`]
    if (!file) continue
    if (values[name]) {
      problems.push(`${name} and ${name}_FILE are both set: keep one`)
      continue
    }
    try {
      const value = readFileSync(file, 'utf8').trim()
      if (value === '') problems.push(`${name}_FILE names ${file}, which is empty`)
      else if (fileVariables.some((variable) => variable === name)) values[name] = value
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
      problems.push(`${name}_FILE names ${file}, which cannot be read (${why})`)
    }
  }
  return values
}

/** How the person called this program, for lines to copy: within npm and npx the bare name is not on their path. */
export const commandName = (env: Environment): string =>
  env.npm_execpath || env.npm_command ? 'npx signalbox' : 'signalbox'
