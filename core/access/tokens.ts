import { createHash, randomBytes } from 'node:crypto'
import { and, desc, eq, isNull, or, sql } from 'drizzle-orm'
import type { Db } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { teamMembers, teams, tokens, users } from '../schema/index.ts'
import type { Token } from '../shapes.ts'
import type { Actor } from './actor.ts'
import { authorize } from './policy.ts'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz'

/** `sbx_<8 to tell it by>_<43 of 256 random bits>`. */
function newToken(): { token: string; prefix: string } {
  const prefix = `sbx_${Array.from(randomBytes(8), (byte) => BASE32[byte & 31]).join('')}`
  return { token: `${prefix}_${randomBytes(32).toString('base64url')}`, prefix }
}

/** The user by that name, made when there is none. The first user of a hub is its administrator. */
export async function ensureUser(
  db: Db,
  input: { name: string; admin: boolean },
): Promise<{ id: string; name: string }> {
  await db
    .insert(users)
    .values({ id: newId('usr'), ...input })
    .onConflictDoNothing({ target: users.name })
  const [user] = await db.select({ id: users.id, name: users.name }).from(users).where(eq(users.name, input.name))
  return user!
}

/** Makes a token; what it returns as `token` is stored nowhere. */
export async function createToken(
  db: Db,
  actor: Actor,
  input: { name: string; user?: string; expires_in_days?: number },
): Promise<Token & { token: string }> {
  const [owner] = input.user
    ? await db
        .select()
        .from(users)
        .where(or(eq(users.name, input.user), eq(users.id, input.user)))
    : await db.select().from(users).where(eq(users.id, actor.userId))
  if (!owner) throw new HubError('user_not_found', `There is no user ${input.user}.`)
  if (owner.id !== actor.userId) authorize(actor, 'administer', { type: 'token', id: owner.id })
  const { token, prefix } = newToken()
  const days = input.expires_in_days
  const [row] = await db
    .insert(tokens)
    .values({
      id: newId('tok'),
      userId: owner.id,
      name: input.name,
      prefix,
      hash: sha256(token),
      expiresAt: days === undefined ? null : new Date(Date.now() + days * 86_400_000),
    })
    .returning()
  return { ...toToken(row!, owner.name), token }
}

export async function listTokens(db: Db, actor: Actor): Promise<Token[]> {
  const found = await db
    .select({ token: tokens, user: users.name })
    .from(tokens)
    .innerJoin(users, eq(users.id, tokens.userId))
    .where(and(isNull(tokens.revokedAt), actor.admin ? undefined : eq(tokens.userId, actor.userId)))
    .orderBy(desc(tokens.id))
  return found.map(({ token, user }) => toToken(token, user))
}

export async function revokeToken(db: Db, actor: Actor, id: string): Promise<void> {
  const [row] = await db
    .update(tokens)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(tokens.id, id), isNull(tokens.revokedAt), actor.admin ? undefined : eq(tokens.userId, actor.userId)))
    .returning({ id: tokens.id })
  if (!row) throw new HubError('token_not_found', `There is no token ${id} that you may revoke.`)
}

/** Read from the database each time, so that a revocation counts at once on every replica; one indexed look-up. */
export async function authenticate(
  db: Db,
  token: string | null | undefined,
  surface: Actor['surface'],
): Promise<Actor> {
  if (!token) throw new HubError('unauthenticated', 'The request carries no token.')
  const [found] = await db
    .select({
      tokenId: tokens.id,
      userId: users.id,
      name: users.name,
      admin: users.admin,
      expiresAt: tokens.expiresAt,
      stale: sql<boolean>`${tokens.lastUsedAt} is null or ${tokens.lastUsedAt} < now() - interval '1 minute'`,
      teams: sql<
        string[]
      >`array(select ${teams.name} from ${teamMembers} join ${teams} on ${teams.id} = ${teamMembers.teamId} where ${teamMembers.userId} = ${users.id} order by 1)`,
    })
    .from(tokens)
    .innerJoin(users, eq(users.id, tokens.userId))
    .where(and(eq(tokens.hash, sha256(token)), isNull(tokens.revokedAt)))
  if (!found) throw new HubError('unauthenticated', 'The token is not known here: wrong, revoked, or of another hub.')
  if (found.expiresAt && found.expiresAt.getTime() <= Date.now())
    throw new HubError('unauthenticated', 'The token has expired.')
  if (found.stale) await db.update(tokens).set({ lastUsedAt: sql`now()` }).where(eq(tokens.id, found.tokenId))
  const { userId, name, admin, teams: memberOf } = found
  return { userId, name, admin, teams: memberOf, surface, onBehalfOf: null }
}

function toToken(row: typeof tokens.$inferSelect, user: string): Token {
  return {
    id: row.id,
    name: row.name,
    user,
    prefix: row.prefix,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
  }
}
