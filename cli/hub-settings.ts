import { isIP } from 'node:net'
import { resolve } from 'node:path'
import * as z from 'zod'
import { CliError, exitCode } from './exit-code.ts'
import { type Environment, withFiles } from './settings.ts'

/** Everything that the environment says about a hub. */
export type HubSettings = {
  dataDir: string
  host: string
  /** As asked for; null: 4000, or the next free one. */
  port: number | null
  /** Postgres; null: PGlite in the data folder. */
  databaseUrl: string | null
  /** What callbacks, links and hosted agents are given; without a slash at the end. */
  publicUrl: string | null
  /** Host names beside HOST under which the hub may be asked. */
  allowedHosts: string[]
  /** `provider/model` for agents that name none; null: the provider's own default, or the demo model. */
  model: string | null
  /** What provider keys and `env:` secrets are read from: without empty values. */
  env: Record<string, string>
}

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be a URL with http or https' })

const Variables = z.object({
  PORT: z
    .string()
    .regex(/^\d+$/, 'must be a number')
    .transform(Number)
    .pipe(z.number().min(0, 'must be 0 to 65535').max(65_535, 'must be 0 to 65535'))
    .optional(),
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]+$/, 'must be an address or a host name, without scheme or port')
    .default('127.0.0.1'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must start with postgres:// or postgresql://')
    .optional(),
  SIGNALBOX_DATA_DIR: z.string().default('.signalbox'),
  SIGNALBOX_PUBLIC_URL: httpUrl.transform((url) => url.replace(/\/+$/, '')).optional(),
  SIGNALBOX_ALLOWED_HOSTS: z
    .string()
    .transform((list) =>
      list
        .split(',')
        .map((host) => host.trim().toLowerCase())
        .filter(Boolean),
    )
    .default([]),
  SIGNALBOX_MODEL: z
    .string()
    .regex(/^[^/\s]+\/\S+$/, 'must be provider/model, for example anthropic/claude-sonnet-5')
    .optional(),
  OPENAI_BASE_URL: httpUrl.optional(),
  ANTHROPIC_BASE_URL: httpUrl.optional(),
})

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/**
 * An empty variable counts as unset. Throws `invalid_settings` with every problem at once; no value is in the message,
 * since some are secrets.
 */
export function readHubSettings(env: Environment, cwd = process.cwd()): HubSettings {
  const problems: string[] = []
  const values = withFiles(env, problems)
  const parsed = Variables.safeParse(values)
  for (const issue of parsed.error?.issues ?? []) problems.push(`${issue.path.join('.')} ${issue.message}`)
  if (!parsed.success || problems.length > 0) throw invalidSettings(problems)
  const { data } = parsed
  if (!isLoopback(data.HOST) && !data.SIGNALBOX_PUBLIC_URL && data.SIGNALBOX_ALLOWED_HOSTS.length === 0) {
    throw invalidSettings([
      `HOST ${data.HOST} opens the hub to other machines: say under which names it is asked, with SIGNALBOX_PUBLIC_URL or SIGNALBOX_ALLOWED_HOSTS (a list with commas)`,
    ])
  }
  return {
    dataDir: resolve(cwd, data.SIGNALBOX_DATA_DIR),
    host: data.HOST,
    port: data.PORT ?? null,
    databaseUrl: data.DATABASE_URL ?? null,
    publicUrl: data.SIGNALBOX_PUBLIC_URL ?? null,
    allowedHosts: data.SIGNALBOX_ALLOWED_HOSTS,
    model: data.SIGNALBOX_MODEL ?? null,
    env: values,
  }
}

function invalidSettings(problems: string[]): CliError {
  const message =
    problems.length === 1
      ? `A setting is wrong: ${problems[0]}.`
      : `${problems.length} settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`
  return new CliError('invalid_settings', message, {
    hint: 'Correct the environment and start again; docs/cli.md lists every variable.',
    exitCode: exitCode.invalid,
    details: problems,
  })
}
