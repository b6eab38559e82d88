/**
 * Rooms whose last writes a crash of the server may have lost, after the end of a lease session. They are not leased until the next session
 * has stored that, with what was sent in them.
 */
import type { Queryable } from '../../database.ts';
import type { SentInRoom } from '../store/sent.ts';
import { doubtRooms } from '../store/work-list.ts';

export interface DoubtOptions {
  readonly replica: string;
  /** What was sent of late in these rooms. */
  readonly sentIn: (rooms: readonly number[]) => readonly SentInRoom[];
}

export function createDoubt({ replica, sentIn }: DoubtOptions) {
  let rooms: readonly number[] = [];
  let sent: readonly SentInRoom[] = [];
  return {
    rooms: () => rooms,
    /** What was sent is read now, because it is forgotten before the next session may be opened. */
    add(added: readonly number[]): void {
      rooms = [...rooms, ...added];
      sent = [...sent, ...sentIn(added)];
    },
    /** Rooms that an open transaction of others has locked stay doubtful. `ended`: of the session. */
    async store(session: Queryable, ended: AbortSignal): Promise<void> {
      if (rooms.length === 0) return;
      const locked = await doubtRooms(session, rooms, sent, replica);
      // the end of the session has added to it
      if (ended.aborted) return;
      // what is stored is not stored again: each time makes its mapping due
      rooms = locked;
      sent = sent.filter(({ room }) => locked.includes(room));
    },
  };
}
