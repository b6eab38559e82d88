/** Scenario: kill -9 of the daemon during its work, and a booking in Outlook while it is down. */
import { inTransaction } from '../database.ts';
import { many, seconds, type Scenario, type ScenarioContext } from './demo-scenario.ts';

export const kill: Scenario = {
  name: 'kill',
  key: 'k',
  title: 'kill -9 of the daemon during its work',
  run,
};

const weeks = 12;

async function run(context: ScenarioContext): Promise<void> {
  const { world, daemon, people, say } = context;
  const room = context.room(102);
  const day = context.day();
  const from = context.lastCall();
  const isCreate = (call: {
    readonly seq: number;
    readonly method: string;
    readonly path: string;
    readonly status: number;
  }) => call.seq > from && call.method === 'POST' && call.path.endsWith('/events') && call.status === 201;
  const begun = world.tenant.until(isCreate, context.signal);
  await bookSeason(context, room.resource, day);
  say('desk', `books ${weeks} weeks of rehearsals in ${room.name}, in one transaction`);
  await begun;
  const { pid } = daemon;
  const killedAt = performance.now();
  const successor = daemon.kill();
  const made = context.callsSince(from).filter(isCreate).length;
  say('fault', `kill -9 of process ${pid} after ${made} of ${weeks} events`);
  people.book(room.upn, {
    subject: 'Styremøte',
    start: `${day}T08:00`,
    end: `${day}T09:00`,
    timeZone: 'W. Europe Standard Time',
  });
  say('outlook', `a user books «Styremøte» in the same room while no daemon runs`);
  await successor;
  say(
    'daemon',
    `restarts as process ${daemon.pid} and listens ${seconds(performance.now() - killedAt)} after the kill`,
  );
  const { comparison } = await context.untilEqual();
  const ms = performance.now() - killedAt;
  const calls = context.callsSince(from);
  const sent = calls.filter(({ method, path }) => method === 'POST' && path.endsWith('/events')).length;
  say(
    'result',
    `both sides equal ${seconds(ms)} after the kill: ${many(sent, 'create')} sent, ${calls.filter(isCreate).length} events created; ` +
      `${comparison.reservations} booked, ${comparison.events} in Outlook`,
  );
  say(
    'why',
    'The work list is in the database, not in the process. A create without an answer is searched for before it is repeated, ' +
      'and a new daemon starts by reading the changes in Outlook.',
  );
}

/** Books a rehearsal each week from that day on. */
async function bookSeason({ world }: ScenarioContext, resource: number, day: string): Promise<void> {
  await inTransaction(world.db, async (client) => {
    const { rows } = await client.query<{ id: number }>(
      `INSERT INTO bb_booking (group_id, from_, to_, season_id, activity_id, secret)
       SELECT 3, d + interval '19 hours', d + interval '21 hours', 1, 1, 'demo'
       FROM generate_series($1::timestamp, $1::timestamp + ($2 - 1) * interval '7 days', interval '7 days') AS d RETURNING id`,
      [day, weeks],
    );
    await client.query(
      'INSERT INTO bb_booking_resource (booking_id, resource_id) SELECT unnest($1::int[]), $2',
      [rows.map(({ id }) => id), resource],
    );
  });
}
