/** Outlook for a booking system that cannot mark items as private: private events stay private. */
import { readAbilities } from '../abilities.ts';
import type { Queryable } from '../database.ts';
import { isExpected } from '../errors.ts';
import type { Write, WriteAnswer } from '../event.ts';
import type { OutlookSide } from './outlook-side.ts';

type Change = Extract<Write, { do: 'change' }>;

/** The change without making the event public; null: nothing is left of it. */
function withoutPublishing(write: Change): Change | null {
  const { isPrivate: _, ...change } = write.change;
  const isEmpty = Object.keys(change).length === 0 && write.showAs !== true && write.properties === undefined;
  return isEmpty ? null : { ...write, change };
}

const publishes = (write: Write): boolean => write.do === 'change' && write.change.isPrivate === false;

export function withPrivacy(db: Queryable, outlook: OutlookSide): OutlookSide {
  return {
    ...outlook,
    async write(room, writes, signal) {
      // rare, so the ability is read only then
      if (!writes.some(publishes) || !(await readAbilities(db)).known.has('no-private'))
        return await outlook.write(room, writes, signal);
      const all = writes.map((write) => (publishes(write) ? withoutPublishing(write as Change) : write));
      const sent = await outlook.write(
        room,
        all.filter((write) => write !== null),
        signal,
      );
      let at = 0;
      const answers: WriteAnswer[] = [];
      for (const [place, write] of all.entries())
        answers.push(
          write === null ? await unchanged((writes[place] as Change).eventId, signal) : sent[at++]!,
        );
      return answers;

      async function unchanged(eventId: string, stopped: AbortSignal): Promise<WriteAnswer> {
        const began = performance.now();
        const event = await outlook.read(room, eventId, stopped).catch((error: unknown) => {
          if (isExpected(error)) return error;
          throw error;
        });
        const acceptedAt = performance.now();
        const made = { acceptedAt, callMs: acceptedAt - began };
        // a refused read concerns only its event
        if (event instanceof Error) return { ...made, outcome: 'failed', error: event };
        return event === null ? { ...made, outcome: 'gone' } : { ...made, outcome: 'written', event };
      }
    },
  };
}
