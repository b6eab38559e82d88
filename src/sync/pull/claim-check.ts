/**
 * Checks that a room is ours, before this daemon's first work in it and before each full scan: that no earlier row maps the same
 * mailbox, and that the mailbox carries our claim. A copied or restored database and a second row never write; in a new mailbox all
 * events are created again.
 */
import type { Queryable } from '../../database.ts';
import { Permanent, Retryable, isExpected, messageOf } from '../../errors.ts';
import { judgeClaim, printClaim, type ClaimRead, type Standing } from '../decide/claim.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { holdSetBack, noteClaim, raiseClaim, readKnownClaim, type KnownClaim } from '../store/claims.ts';
import type { LeasedRoom, Rest } from '../store/work-list.ts';

/** A held room is checked again after this time: the other row or claim may be gone. */
const heldMs = 600_000;

/** The room is held: a person decides to which installation, resource or row it belongs. */
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
  /** A plan reads claims and raises none. A newer number counts as ours, because the decision about it needs the plan. */
  readonly isPlan: boolean;
}

export function createClaimCheck({ db, outlook, isPlan }: ClaimCheckOptions) {
  /** Rooms found to be ours since the start of this daemon, or since it lost the database. */
  const confirmed = new Set<number>();

  /** Reads and judges the claim. Throws RoomHeld. */
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

  /** A claim that was read before must be read again; a calendar without one so far may refuse the property. */
  async function read(room: LeasedRoom, known: KnownClaim, signal: AbortSignal): Promise<ClaimRead> {
    try {
      return await outlook.readClaim(room, signal);
    } catch (error) {
      if (signal.aborted || !isOfRoom(error)) throw error;
      if (!known.wasRead) return { is: 'refused', why: messageOf(error) };
      throw error instanceof Permanent
        ? error
        : new Retryable(error.message, { reach: 'room', afterMs: error.afterMs, cause: error });
    }
  }

  /**
   * Raises the number in the database and in the mailbox, after a full scan. A new claim is read back, because Graph's answer to the
   * write does not contain it (msgraph-sdk-dotnet#2908), and only a claim that was read can be missed later. Throws RoomHeld if the
   * mailbox carries another claim by then.
   */
  async function raise(room: LeasedRoom, before: Allowed, signal: AbortSignal): Promise<void> {
    if (!isPlan) await write(room, before, signal);
    confirmed.add(room.id);
  }

  async function write(room: LeasedRoom, before: Allowed, signal: AbortSignal): Promise<void> {
    // nothing is written into a room that is only read
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
    /** The connection to the database was lost, and it may have been set back: each claim is read again. */
    doubt: (): void => confirmed.clear(),
  };
}

const isOfRoom = (error: unknown): error is Retryable | Permanent =>
  isExpected(error) && error.reach !== 'side';

const held = (why: string, hint: string) =>
  new RoomHeld({ ms: heldMs, throttled: false, condition: 'held', why, hint });

const sharedWith = (room: LeasedRoom, earlier: NonNullable<KnownClaim['earlier']>) =>
  held(
    `Resource ${room.resourceId} (${room.outlookItemId}) and resource ${earlier.resourceId} (${earlier.outlookItemId}) are mapped to the same mailbox; the later one is held.`,
    `Take one of the two away: mappings remove ${room.resourceId} --mailbox ${room.outlookItemId}, or mappings remove ${earlier.resourceId} --mailbox ${earlier.outlookItemId}. Nothing is read or written for resource ${room.resourceId} until then.`,
  );

function claimedBy(room: LeasedRoom, { claim }: Extract<Standing, { is: 'other' }>): RoomHeld {
  const owner =
    claim === null
      ? 'a claim that cannot be read'
      : `the claim of installation ${claim.installation}, resource ${claim.resource}`;
  return held(
    `The calendar of ${room.outlookItemId} carries ${owner}; resource ${room.resourceId} here is not what wrote it.`,
    `If no other installation or resource works in this room any more: claim ${room.resourceId}, or POST /rooms/${room.resourceId}/claim. Else take the mapping away here: mappings remove ${room.resourceId}. Nothing is read or written in it until then.`,
  );
}

const setBack = (room: LeasedRoom, found: number, known: number) =>
  held(
    `The claim in the calendar of ${room.outlookItemId} has number ${found}, and this database has given out ${known} at most: it was set back, or a copy of it is at work.`,
    'Nothing is written until a person has looked at the plan and confirms it: plan --confirm, or POST /plan/confirm.',
  );
