/** What the secrets of providers look like, from the formats that the providers publish. One line a format. */
import {
  characters,
  labelled,
  looksRandom,
  privateKey,
  type Rule,
  type Seen,
  token,
  urlPassword,
} from './rule-shapes.ts'

const alphanumeric = characters('A-Za-z0-9')
const withDots = characters('A-Za-z0-9_.-')
const withPercent = characters('A-Za-z0-9%_-')
const withSlashes = characters('A-Za-z0-9/')
const base64 = characters('A-Za-z0-9+/=')
const bearer = characters('A-Za-z0-9._~+/=-')
const upperAndDigits = characters('A-Z0-9')

/** `sk-` begins words and CSS classes too (`sk-fading-circle-12`): a key has one long piece without dashes. */
const isOpenAiKey = (seen: Seen) => looksRandom(seen) && seen.digits >= 2 && seen.longestWord >= 16
/** Header, payload and signature; an encrypted one has five parts, of which the second may be empty. */
const isJwt = ({ segments }: Seen) =>
  (segments.length === 3 && segments[0]! >= 7 && segments[1]! >= 8 && segments[2]! >= 8) ||
  (segments.length === 5 && segments[0]! >= 7)
const isCredential = (seen: Seen) => seen.distinct >= 8 && (seen.digits > 0 || (seen.upper >= 3 && seen.lower >= 3))
const isBasic = (seen: Seen) => seen.upper >= 2 && seen.lower >= 2

/** `Authorization: Basic` as it stands in headers, in JSON and on a command line. */
const basic = [
  'authorization: basic',
  'authorization:basic',
  'authorization": "basic',
  'authorization":"basic',
  "authorization': 'basic",
]

export const rules: readonly Rule[] = [
  token('signalbox_token', ['sbx_', 'sbs_'], { min: 40 }),
  token('anthropic_key', ['sk-ant-'], { min: 20 }),
  token('openai_key', ['sk-'], { min: 20, accept: isOpenAiKey }),
  token('github_token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], { min: 30 }),
  token('github_token', ['github_pat_'], { min: 40 }),
  token('gitlab_token', ['glpat-', 'gldt-', 'glrt-', 'glptt-', 'glcbt-', 'glsoat-'], { body: withDots, min: 20 }),
  token(
    'slack_token',
    ['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxc-', 'xoxd-', 'xoxe-', 'xoxe.xoxp-', 'xoxe.xoxb-', 'xapp-'],
    { body: withPercent, min: 20 },
  ),
  {
    ...token('slack_webhook', ['hooks.slack.com/services/', 'hooks.slack.com/workflows/'], {
      body: withSlashes,
      min: 30,
    }),
    keepsPrefix: true,
    anywhere: true,
  },
  token('aws_access_key_id', ['AKIA', 'ASIA'], { body: upperAndDigits, min: 16, max: 16 }),
  labelled('aws_secret_key', ['secret_access_key', 'secretaccesskey', 'secret-access-key', 'aws_secret_key'], {
    body: base64,
    min: 38,
  }),
  labelled('aws_session_token', ['session_token', 'sessiontoken', 'aws_security_token'], { body: base64, min: 100 }),
  token('google_key', ['AIza'], { min: 35 }),
  token('google_secret', ['GOCSPX-', 'ya29.'], { body: withDots, min: 24 }),
  token('stripe_key', ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'], { body: alphanumeric, min: 16 }),
  token('webhook_secret', ['whsec_'], { body: base64, min: 24 }),
  token('linear_key', ['lin_api_', 'lin_oauth_', 'lin_wh_'], { body: alphanumeric, min: 30 }),
  token('npm_token', ['npm_'], { body: alphanumeric, min: 36 }),
  token('pypi_token', ['pypi-AgE'], { min: 50 }),
  token('hugging_face_token', ['hf_'], { body: alphanumeric, min: 30 }),
  token('groq_key', ['gsk_'], { body: alphanumeric, min: 40 }),
  token('xai_key', ['xai-'], { body: alphanumeric, min: 40 }),
  token('sendgrid_key', ['SG.'], { body: withDots, min: 60 }),
  token('jwt', ['eyJ'], { body: withDots, min: 30, accept: isJwt }),
  labelled('bearer_token', ['bearer'], { body: bearer, min: 16, accept: isCredential }),
  labelled('basic_credentials', basic, { body: base64, min: 8, accept: isBasic }),
  labelled('azure_key', ['accountkey', 'sharedaccesskey'], { body: base64, min: 40 }),
  urlPassword,
  privateKey,
]
