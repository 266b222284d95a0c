export * from './access.ts'
export * from './work.ts'
