/** Resolves the address of a room, as the operator wrote it, to the object id of its mailbox, if the directory allows it. */
import type { Queryable } from '../../database.ts';
import { Permanent, Retryable, isExpected } from '../../errors.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { followMailbox, storeMailbox, unresolvedBefore } from '../store/claims.ts';
import { replaceMailbox, type LeasedRoom } from '../store/work-list.ts';

/** Maximum number of earlier rows that are resolved before the first work in a room. */
const resolvedMost = 200;
const resolvedMs = 30_000;

export function createAddresses({ db, outlook }: { readonly db: Queryable; readonly outlook: OutlookSide }) {
  const resolving = new Map<string, Promise<string | null>>();
  /** Addresses without an answer: only their own rooms ask again. */
  const unresolvable = new Set<string>();

  /**
   * The room with the object id of its mailbox: addresses change, and some calls refuse them. Its mappings then name that mailbox.
   * Earlier rows are resolved, too, because one of them may map the same mailbox.
   */
  async function addressed(room: LeasedRoom, signal: AbortSignal): Promise<LeasedRoom> {
    const earlier = await unresolvedBefore(db, room, resolvedMost);
    const isResolved = room.mailbox !== room.outlookItemId;
    const unresolved = earlier.filter(({ outlookItemId }) => !unresolvable.has(outlookItemId));
    const [own] = await Promise.all([isResolved ? null : resolve(room), ...unresolved.map(resolve)]);
    signal.throwIfAborted();
    await followMailbox(db, room);
    return { ...room, mailbox: own ?? room.mailbox };
  }

  /**
   * Asks the directory once for all waiting rooms, and stores the answer. Null: it does not tell. A missing mailbox and an outage are
   * detected by the calls to the mailbox.
   */
  function resolve(row: { readonly id: number; readonly outlookItemId: string }): Promise<string | null> {
    const { outlookItemId: address } = row;
    const asking = async () => {
      try {
        const mailbox = await outlook.resolveMailbox(address, AbortSignal.timeout(resolvedMs));
        if (mailbox === null) unresolvable.add(address);
        else await storeMailbox(db, row, mailbox);
        return mailbox;
      } catch (error) {
        if (!(error instanceof Permanent) && !isUnanswered(error)) throw error;
        unresolvable.add(address);
        return null;
      } finally {
        resolving.delete(address);
      }
    };
    const answer = resolving.get(address) ?? asking();
    resolving.set(address, answer);
    return answer;
  }

  /** The stored object id is refused. Returns whether it was replaced. */
  async function readdressed(room: LeasedRoom, signal: AbortSignal): Promise<boolean> {
    if (room.mailbox === room.outlookItemId) return false;
    try {
      const mailbox = await outlook.resolveMailbox(room.outlookItemId, signal);
      if (mailbox === room.mailbox) return false;
      await replaceMailbox(db, room, mailbox, mailbox !== null);
      return true;
    } catch (error) {
      if (isExpected(error)) return false;
      throw error;
    }
  }

  return { addressed, readdressed };
}

/** The directory does not answer now, or not in time. */
const isUnanswered = (error: unknown) =>
  error instanceof Retryable || (error instanceof DOMException && error.name === 'TimeoutError');
