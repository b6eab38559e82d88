/** Scenario: desk and Outlook edit the same reservation at once, first different fields, then the same field. */
import { seconds, type Scenario, type ScenarioContext } from './demo-scenario.ts';

export const bothEdit: Scenario = {
  name: 'both-edit',
  key: 'e',
  title: 'desk and Outlook edit the same reservation',
  run,
};

const keepBooking = { key: 'b', text: "keep the desk's version" };
const keepOutlook = { key: 'o', text: "keep Outlook's version" };

const resource = 101;
/** Longer than the sync of the desk's edit takes. */
const notifyDelayMs = 2_000;

interface Listed {
  readonly id: number;
  readonly version: string;
  readonly fields: readonly string[];
}

async function run(context: ScenarioContext): Promise<void> {
  try {
    await editBoth(context);
  } finally {
    context.world.tenant.faults.set({ notifyDelayMs: 0 }, context.room(resource).upn);
  }
}

async function editBoth(context: ScenarioContext): Promise<void> {
  const { world, desk, people, say } = context;
  const room = context.room(resource);
  const day = context.day();
  const at = (hour: number) => ({ from: `${day} ${hour}:00`, to: `${day} ${hour + 1}:00` });
  const inOutlook = (hour: number) => ({
    start: `${day}T${hour}:00`,
    end: `${day}T${hour + 1}:00`,
    timeZone: 'W. Europe Standard Time',
  });
  const reservation = await desk.book(room.resource, { title: 'Høring', ...at(10) });
  await context.untilEqual();
  const event = () =>
    world.tenant
      .eventsIn(room.upn)
      .find(({ extendedProperties }) => Object.values(extendedProperties).includes(String(reservation.id)))!;
  const { id } = event();
  say('both', `have «Høring» in ${room.name}, ${day} 10:00 (event ${reservation.id})`);

  // Outlook's edit exists when the desk's edit is synced, and its notification is still on the way
  world.tenant.faults.set({ notifyDelayMs }, room.upn);
  people.move(room.upn, id, inOutlook(12));
  await desk.retitle(reservation, 'Åpen høring');
  say('desk', 'renames it to «Åpen høring»');
  say('outlook', 'moves it to 12:00 at the same time');
  const merged = await context.untilEqual();
  if (event().subject !== 'Åpen høring' || localHour(event().start) !== '12')
    throw new Error('An edit was lost.');
  say(
    'result',
    `both edits are kept after ${seconds(merged.ms)}: «${event().subject}» at ${localHour(event().start)}:00 on both sides`,
  );

  await world.db.query("UPDATE bridge_resource_mappings SET conflict_policy = 'ask' WHERE resource_id = $1", [
    room.resource,
  ]);
  let decidedAt = 0;
  try {
    decidedAt = await decide(context, async () => {
      people.move(room.upn, id, inOutlook(16));
      await desk.move(reservation, at(14).from, at(14).to);
      say('desk', 'moves it to 14:00');
      say('outlook', 'moves it to 16:00 at the same time');
    });
  } finally {
    await world.db.query(
      'UPDATE bridge_resource_mappings SET conflict_policy = NULL WHERE resource_id = $1',
      [room.resource],
    );
  }
  const { comparison } = await context.untilEqual();
  const ms = performance.now() - decidedAt;
  say(
    'result',
    `both sides agree after ${seconds(ms)}: ${localHour(event().start)}:00; ${comparison.reservations} booked, ${comparison.events} in Outlook`,
  );
  say(
    'why',
    'Each side is compared with its last agreed state, field by field. Changes of different fields are merged. If both changed ' +
      'the same field, CONFLICT_POLICY decides, or a person who compares both versions, as here.',
  );
}

/** Lets both sides change the same field and waits for the choice. Returns the time of the choice. */
async function decide(context: ScenarioContext, edit: () => Promise<void>): Promise<number> {
  const listed = async () =>
    (await context.api<{ readonly conflicts: readonly Listed[] }>(`/conflicts?resource_id=${resource}`))
      .conflicts[0];
  using facts = context.recordFacts();
  await edit();
  const met = facts.first((fact) => fact.fact === 'conflict' && fact.resourceId === resource);
  const settled = context.untilEqual();
  await Promise.race([met, settled]);
  for (const other of [met, settled]) other.catch(() => undefined); // only one of them will resolve
  const conflict = await listed();
  if (conflict === undefined) {
    context.say('daemon', 'had synced one edit before the other was made, so the later one wins');
    return performance.now();
  }
  context.say(
    'daemon',
    `changes neither side and reports a conflict about ${inWords(conflict.fields)}; the dashboard shows both versions`,
  );
  const kept = await context.choice([keepBooking, keepOutlook], async () => (await listed()) === undefined);
  const decidedAt = performance.now();
  if (kept === null) {
    context.say('you', 'chose on the dashboard');
    return decidedAt;
  }
  const keep = kept === keepBooking.key ? 'booking' : 'outlook';
  await context.api(`/conflicts/${conflict.id}/resolve`, { keep, version: conflict.version });
  context.say('you', `keep ${keep === 'booking' ? 'the desk' : 'Outlook'}'s version`);
  return decidedAt;
}

/** Field names as the dashboard shows them. */
const inWords = (fields: readonly string[]): string =>
  [...new Set(fields.map((field) => (/_at$/.test(field) ? 'the time' : `the ${field}`)))].join(' and ');

const hourOf = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', timeZone: 'Europe/Oslo' });
/** `at`: UTC. */
const localHour = (at: string) => hourOf.format(new Date(`${at.slice(0, 19)}Z`));
