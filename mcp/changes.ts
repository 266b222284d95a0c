import * as z from 'zod'

/**
 * The fields of a definition as changes to it: each may be left out, which keeps it, or be null, which removes it where it is
 * optional. Defaults are taken off, since they would write over what is left out.
 */
export function changesOf(shape: Record<string, z.ZodType>): z.ZodType<Record<string, unknown>> {
  const fields = Object.entries(shape).map(([key, field]) => {
    const value = field instanceof z.ZodDefault ? field.unwrap() : field
    const bare = value instanceof z.ZodOptional ? value.unwrap() : value
    // zod's unwrap() answers its core type; the fields of a zod schema are zod schemas.
    return [key, (bare as z.ZodType).nullable().optional()] as const
  })
  return z
    .strictObject(Object.fromEntries(fields))
    .describe('Fields to replace, each as a whole; null removes an optional one; left out: it stays.')
}
