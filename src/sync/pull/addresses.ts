/** Which mailbox a room is: the object id of the address that the operator wrote, as far as the directory tells. */
import type { Queryable } from '../../database.ts';
import { Permanent, Retryable } from '../../errors.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { followMailbox, storeMailbox, unresolvedBefore } from '../store/claims.ts';
import { replaceMailbox, type LeasedRoom } from '../store/work-list.ts';

/** Rows that are resolved before a room's first work, at most. */
const resolvedMost = 200;
const resolvedMs = 30_000;

export function createAddresses({ db, outlook }: { readonly db: Queryable; readonly outlook: OutlookSide }) {
  const resolving = new Map<string, Promise<string | null>>();
  /** Addresses that the directory did not tell an id of: each room asks for its own again, and no other room does. */
  const unresolvable = new Set<string>();

  /**
   * The room by the object id of its mailbox, if the directory tells: addresses change, and some calls refuse them. Rows that
   * were there before it are resolved first, because one of them may map the same mailbox. Its mappings name that mailbox then.
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
   * Asks the directory, once however many rooms wait for the answer, and keeps it. Null: it does not tell. Whether there is
   * such a mailbox is for the mailbox itself to say, and what keeps us from everything is met again there.
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

  /** The stored id of its mailbox is refused: whether it is called otherwise from now on. */
  async function readdressed(room: LeasedRoom, signal: AbortSignal): Promise<boolean> {
    if (room.mailbox === room.outlookItemId) return false;
    try {
      const mailbox = await outlook.resolveMailbox(room.outlookItemId, signal);
      if (mailbox === room.mailbox) return false;
      await replaceMailbox(db, room, mailbox, mailbox !== null);
      return true;
    } catch (error) {
      if (error instanceof Permanent || error instanceof Retryable) return false;
      throw error;
    }
  }

  return { addressed, readdressed };
}

/** The directory does not answer now, or not in time. */
const isUnanswered = (error: unknown) =>
  error instanceof Retryable || (error instanceof DOMException && error.name === 'TimeoutError');
