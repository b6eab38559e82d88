/** A world that is planned while no daemon runs, and then brought together by one. */
import { openPlanPool } from '../../src/database.ts';
import { createOutlook } from '../../src/outlook/events.ts';
import { createPlanner } from '../../src/sync/plan/plan.ts';
import { at } from '../support/dates.ts';
import { until } from '../support/until.ts';
import { compareAll, linesSince, markOf } from '../sync/plan/plan-world.ts';
import { openWorld, rooms } from './world.ts';

export const upn = rooms[101]!.upn;
export const kari = 'kari@bergen.example';

export async function openPlanned() {
  await using opened = new AsyncDisposableStack();
  const w = opened.use(await openWorld());
  const { db, config, tenant, desk, day } = w;
  tenant.addPerson({ upn: kari, name: 'Kari Nordmann' });
  const outlook = opened.use(createOutlook({ graph: config.graph, timezone: config.timezone }));
  const pool = openPlanPool(db.config, 'a plan', 2);
  opened.defer(() => pool.end());
  const planner = createPlanner({
    db: pool,
    outlook: () => outlook,
    window: config.window,
    policy: { conflict: config.conflictPolicy, overlap: config.overlapPolicy, importMode: config.importMode },
    brake: config.brake,
    roomsAtATime: 2,
  });
  const resourceOf = new Map<string, number>();
  /** The daemon compares both sides, works until nothing is due where it may, and ends. */
  async function sync(): Promise<void> {
    await compareAll(db);
    const daemon = await w.start();
    await until(isBusy, (busy) => !busy);
    await daemon.stop();
    const mapped = await db.query<{ mailbox: string; resource: number }>(
      'SELECT outlook_object_id AS mailbox, resource_id AS resource FROM bridge_resource_mappings',
    );
    for (const { mailbox, resource } of mapped) resourceOf.set(mailbox, resource);
  }
  async function isBusy(): Promise<boolean> {
    const [row] = await db.query<{ busy: boolean }>(
      `SELECT EXISTS (SELECT FROM bridge_changes) OR EXISTS (
         SELECT FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id AND r.active = 1
         WHERE s.lease_owner IS NOT NULL OR s.health <> 'held' AND (s.baselined_at IS NULL OR s.push_due_at IS NOT NULL
           OR EXISTS (SELECT FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.due_at IS NOT NULL))) AS busy`,
    );
    return row!.busy;
  }
  const eventIn = (path: string) => decodeURIComponent(/\/events\/([^/]+)/.exec(path)?.[1] ?? '');
  /** What the daemon does when it is asked to compare both sides. */
  async function done(): Promise<string[]> {
    const mark = await markOf(db);
    const seq = tenant.journal.at(-1)?.seq ?? 0;
    await sync();
    const sent = tenant.journal.filter((entry) => entry.seq > seq && entry.mailbox !== null);
    const left = (matches: (entry: (typeof sent)[number]) => boolean) =>
      sent.filter(matches).map(({ mailbox, path }) => ({
        room: resourceOf.get(mailbox!)!,
        eventId: eventIn(path),
      }));
    return await linesSince(db, mark, {
      removed: left(({ method, status }) => method === 'DELETE' && status === 204),
      declined: left(({ path, status }) => path.endsWith('/decline') && status === 202),
    });
  }
  const owned = opened.move();
  return {
    ...w,
    sync,
    done,
    plan: async () =>
      (await planner.plan(
        { resourceId: null, itemsMost: 1_000, withinMs: null },
        AbortSignal.timeout(60_000),
      ))!,
    clerk: (days: number, title = 'Choir', hour = 10) =>
      desk.book(101, { title, from: day(days, `${hour}:00`), to: day(days, `${hour + 2}:00`) }),
    typed: (days: number, subject = 'Board', hour = 10) =>
      tenant.people.book(upn, { subject, start: at(days, `${hour}:00`), end: at(days, `${hour + 2}:00`) }),
    /** Kari invites the room, which answers after some seconds. */
    invited: (days: number, subject = 'Seminar') => {
      const meeting = tenant.people.invite(kari, [upn], {
        subject,
        start: at(days, '10:00'),
        end: at(days, '12:00'),
      });
      tenant.advance(10_000);
      return meeting;
    },
    series: (count: number, interval = 1) =>
      tenant.people.bookSeries(upn, {
        subject: 'Rehearsal',
        start: at(10, '17:00'),
        end: at(10, '19:00'),
        pattern: { type: 'daily', interval },
        range: { type: 'numbered', numberOfOccurrences: count },
      }),
    event: (title: string) => w.events(101).find(({ subject }) => subject === title)!,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export type World = Awaited<ReturnType<typeof openPlanned>>;
