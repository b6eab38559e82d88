/**
 * Whose room is it? Asked before a room's first work by this daemon and before each full scan: whether an earlier row maps
 * the same mailbox, and what the claim in the mailbox says. A copied or restored database, and a second row, never get to
 * write; a mailbox that was made anew is shown everything again.
 */
import type { Queryable } from '../../database.ts';
import { Permanent, Retryable, messageOf } from '../../errors.ts';
import { judgeClaim, printClaim, type ClaimRead, type Standing } from '../decide/claim.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { holdSetBack, noteClaim, raiseClaim, readKnownClaim, type KnownClaim } from '../store/claims.ts';
import type { LeasedRoom, Rest } from '../store/work-list.ts';

/** A person decides, and is not waited for in vain: a row that goes, a claim that changes, is found within this time. */
const heldMs = 600_000;

/** The room is not ours to work on until a person decides. */
export class RoomHeld extends Error {
  readonly rest: Rest;
  constructor(rest: Rest) {
    super(rest.why);
    this.rest = rest;
  }
}

export type Allowed = Exclude<Standing['is'], 'other' | 'newer'>;

export type ClaimCheck = ReturnType<typeof createClaimCheck>;

export interface ClaimCheckOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  /** For a plan: claims are read and not raised, and one with a number of the future, which a person is to see the plan for, is ours. */
  readonly isPlan: boolean;
}

export function createClaimCheck({ db, outlook, isPlan }: ClaimCheckOptions) {
  /** Rooms that were found to be ours since this daemon began, or since the database was out of its sight. */
  const confirmed = new Set<number>();

  /** What stands in the mailbox. Throws RoomHeld where the room is not ours to work on. */
  async function check(room: LeasedRoom, signal: AbortSignal): Promise<Allowed> {
    confirmed.delete(room.id);
    const is = await judge(room, signal);
    if (is !== 'lost') confirmed.add(room.id);
    return is;
  }

  async function judge(room: LeasedRoom, signal: AbortSignal): Promise<Allowed> {
    const known = await readKnownClaim(db, room);
    if (known.earlier !== null) throw sharedWith(room, known.earlier);
    const standing = judgeClaim(await read(room, known, signal), known);
    if (isPlan && standing.is === 'newer') return 'ours';
    await noteClaim(db, room, {
      isOurs: standing.is === 'ours',
      refused: standing.is === 'without' ? standing.why : null,
      found: standing.is === 'other' ? standing.text : null,
    });
    if (standing.is === 'other') throw claimedBy(room, standing);
    if (standing.is !== 'newer') return standing.is;
    await holdSetBack(db, room, standing.number, known.number);
    throw setBack(room, standing.number, known.number);
  }

  /** One that was there is waited for; where none was read yet, nothing waits for a calendar that cannot tell. */
  async function read(room: LeasedRoom, known: KnownClaim, signal: AbortSignal): Promise<ClaimRead> {
    try {
      return await outlook.readClaim(room, signal);
    } catch (error) {
      if (signal.aborted || !isOfRoom(error)) throw error;
      if (!known.wasRead) return { is: 'refused', why: messageOf(error) };
      // nothing is written before it is known whose room it is
      throw error instanceof Permanent
        ? error
        : new Retryable(error.message, { reach: 'room', afterMs: error.afterMs, cause: error });
    }
  }

  /**
   * Raises the number here and in the mailbox, after a full scan. A new claim is read back: Graph does not show it in its
   * answer (msgraph-sdk-dotnet#2908), and only one that was seen can be missed later. Throws RoomHeld should somebody
   * else's be there by now.
   */
  async function raise(room: LeasedRoom, before: Allowed, signal: AbortSignal): Promise<void> {
    if (!isPlan) await write(room, before, signal);
    confirmed.add(room.id);
  }

  async function write(room: LeasedRoom, before: Allowed, signal: AbortSignal): Promise<void> {
    // a room that only gives is never written to
    if (before === 'without' || room.direction === 'outlook_to_booking') return;
    const number = await raiseClaim(db, room);
    if (number === null) return;
    const known = await readKnownClaim(db, room);
    const { installation, resource } = known;
    try {
      const refused = await outlook.writeClaim(room, printClaim({ installation, resource, number }), signal);
      if (refused !== null) await noteClaim(db, room, { isOurs: false, refused, found: null });
      if (refused !== null || before === 'ours') return;
    } catch (error) {
      // the next full scan writes it
      if (signal.aborted || !isOfRoom(error)) throw error;
      return;
    }
    await check(room, signal);
  }

  return {
    check,
    raise,
    isConfirmed: ({ id }: LeasedRoom): boolean => confirmed.has(id),
    /** The database was out of sight, and nobody knows what it was set back to: each claim is read again. */
    doubt: (): void => confirmed.clear(),
  };
}

const isOfRoom = (error: unknown): error is Retryable | Permanent =>
  (error instanceof Retryable || error instanceof Permanent) && error.reach !== 'side';

const held = (why: string, hint: string) =>
  new RoomHeld({ ms: heldMs, throttled: false, condition: 'held', why, hint });

const sharedWith = (room: LeasedRoom, earlier: NonNullable<KnownClaim['earlier']>) =>
  held(
    `Resource ${room.resourceId} (${room.outlookItemId}) and resource ${earlier.resourceId} (${earlier.outlookItemId}) are mapped to the same mailbox; the later one is held.`,
    `Take one of the two away: mappings remove ${room.resourceId} --mailbox ${room.outlookItemId}, or mappings remove ${earlier.resourceId} --mailbox ${earlier.outlookItemId}. Nothing is read or written for resource ${room.resourceId} until then.`,
  );

function claimedBy(room: LeasedRoom, { claim }: Extract<Standing, { is: 'other' }>): RoomHeld {
  const whose =
    claim === null
      ? 'a claim that cannot be read'
      : `the claim of installation ${claim.installation}, resource ${claim.resource}`;
  return held(
    `The calendar of ${room.outlookItemId} carries ${whose}; resource ${room.resourceId} here is not what wrote it.`,
    `If no other installation or resource works in this room any more: claim ${room.resourceId}, or POST /rooms/${room.resourceId}/claim. Else take the mapping away here: mappings remove ${room.resourceId}. Nothing is read or written in it until then.`,
  );
}

const setBack = (room: LeasedRoom, found: number, known: number) =>
  held(
    `The claim in the calendar of ${room.outlookItemId} has number ${found}, and this database has given out ${known} at most: it was set back, or a copy of it is at work.`,
    'Nothing is written until a person has looked at the plan and confirms it: plan --confirm, or POST /plan/confirm.',
  );
