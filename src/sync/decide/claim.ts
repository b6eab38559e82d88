/**
 * The claim that a room's calendar carries: which installation and resource writes there, and a number that only rises.
 * Pure: how it is written as text, and what a claim that was read means for us.
 */
import type { OwnClaim } from '../store/claims.ts';

/** What a calendar says of whose it is. `refused`: it takes no such property, or shows none. */
export type ClaimRead =
  | { readonly is: 'none' }
  | { readonly is: 'claim'; readonly text: string }
  | { readonly is: 'refused'; readonly why: string };

export interface Claim {
  readonly installation: string;
  readonly resource: number;
  readonly number: number;
}

/**
 * `ours`: as it should be; `free`: nobody's yet; `lost`: ours was there and is not any more, so the mailbox is another one;
 * `other`: somebody else's, as far as it can be read; `newer`: ours, with a number that this database has never given out;
 * `without`: the mailbox takes none.
 */
export type Standing =
  | { readonly is: 'ours' | 'free' | 'lost' }
  | { readonly is: 'without'; readonly why: string }
  | { readonly is: 'newer'; readonly number: number }
  | { readonly is: 'other'; readonly text: string; readonly claim: Claim | null };

export function judgeClaim(read: ClaimRead, own: OwnClaim): Standing {
  if (read.is === 'refused') return { is: 'without', why: read.why };
  if (read.is === 'none') return { is: own.wasRead ? 'lost' : 'free' };
  if (read.text === own.declaredVoid) return { is: 'free' };
  const claim = parseClaim(read.text);
  const isFormer = claim !== null && own.formers.includes(claim.installation);
  if (
    claim === null ||
    claim.resource !== own.resource ||
    (claim.installation !== own.installation && !isFormer)
  )
    return { is: 'other', text: read.text, claim };
  return !isFormer && claim.number > own.number ? { is: 'newer', number: claim.number } : { is: 'ours' };
}

export const printClaim = ({ installation, resource, number }: Claim): string =>
  JSON.stringify({ installation, resource, number });

/** Null for what is no claim of ours in form. */
export function parseClaim(text: string): Claim | null {
  try {
    const { installation, resource, number } = JSON.parse(text) as Partial<Record<keyof Claim, unknown>>;
    return typeof installation === 'string' && Number.isSafeInteger(resource) && Number.isSafeInteger(number)
      ? { installation, resource: resource as number, number: number as number }
      : null;
  } catch {
    return null;
  }
}
