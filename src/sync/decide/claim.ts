/**
 * The claim on a room's calendar: the installation and resource that write to it, and a number that only rises. Pure: its text
 * form, and the comparison of a claim that was read with our own.
 */
import type { OwnClaim } from '../store/claims.ts';

/** The claim as read. `refused`: the calendar does not accept or show the property. */
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
 * `ours`; `free`: no claim yet; `lost`: ours is no longer there, so the mailbox is another one; `other`: another installation's or
 * resource's, or unreadable; `newer`: ours, with a number that this database has never given out; `without`: the mailbox accepts
 * no claim.
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

/** Null: not in the form of our claims. */
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
