/** The limits of a booking system that its adapter declares (sql/README.md, "Abilities"). */
import type { Queryable } from './database.ts';

const abilities = ['one-room', 'no-overlap', 'no-private', 'no-text', 'one-way'] as const;
export type Ability = (typeof abilities)[number];

export interface Declared {
  readonly known: ReadonlySet<Ability>;
  /** Unknown words of the setting. */
  readonly unknown: readonly string[];
}

/** Needs our tables; also works with those of an older version. */
export async function readAbilities(db: Queryable): Promise<Declared> {
  const { rows } = await db.query<{ value: string }>(
    `SELECT value FROM public.bridge_settings WHERE name = 'abilities'`,
  );
  const words = (rows[0]?.value ?? '').split(/[\s,]+/).filter((word) => word !== '');
  const isAbility = (word: string): word is Ability => (abilities as readonly string[]).includes(word);
  return { known: new Set(words.filter(isAbility)), unknown: words.filter((word) => !isAbility(word)) };
}

export const abilityWords = abilities.join(', ');
