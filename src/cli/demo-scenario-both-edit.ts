/** Scenario: desk and Outlook edit the same reservation at once, first different fields of it, then the same one. */
import { seconds, type Scenario, type Stage } from './demo-scenario.ts';

export const bothEdit: Scenario = {
  name: 'both-edit',
  key: 'e',
  title: 'desk and Outlook edit the same reservation',
  play,
};

const keepBooking = { key: 'b', what: 'keep what the desk says' };
const keepOutlook = { key: 'o', what: 'keep what Outlook says' };

const resource = 101;
/** Longer than the desk's edit takes. */
const untoldMs = 2_000;

interface Listed {
  readonly id: number;
  readonly version: string;
  readonly fields: readonly string[];
}

async function play(stage: Stage): Promise<void> {
  try {
    await editBoth(stage);
  } finally {
    stage.world.tenant.faults.set({ notifyDelayMs: 0 }, stage.room(resource).upn);
  }
}

async function editBoth(stage: Stage): Promise<void> {
  const { world, desk, people, say } = stage;
  const room = stage.room(resource);
  const day = stage.day();
  const at = (hour: number) => ({ from: `${day} ${hour}:00`, to: `${day} ${hour + 1}:00` });
  const inOutlook = (hour: number) => ({
    start: `${day}T${hour}:00`,
    end: `${day}T${hour + 1}:00`,
    timeZone: 'W. Europe Standard Time',
  });
  const reservation = await desk.book(room.resource, { title: 'Høring', ...at(10) });
  await stage.untilEqual();
  const event = () =>
    world.tenant
      .eventsIn(room.upn)
      .find(({ extendedProperties }) => Object.values(extendedProperties).includes(String(reservation.id)))!;
  const { id } = event();
  say('both', `know «Høring» in ${room.name}, ${day} 10:00 (event ${reservation.id})`);

  // Outlook's edit is there when the desk's is brought over, and not told yet
  world.tenant.faults.set({ notifyDelayMs: untoldMs }, room.upn);
  people.move(room.upn, id, inOutlook(12));
  await desk.retitle(reservation, 'Åpen høring');
  say('desk', 'calls it «Åpen høring»');
  say('outlook', 'moves it to 12:00 in the same moment');
  const merged = await stage.untilEqual();
  if (event().subject !== 'Åpen høring' || localHour(event().start) !== '12')
    throw new Error('An edit was lost.');
  say(
    'result',
    `both edits are kept, ${seconds(merged.ms)} later: «${event().subject}» at ${localHour(event().start)}:00 on both sides`,
  );

  await world.db.query("UPDATE bridge_resource_mappings SET conflict_policy = 'ask' WHERE resource_id = $1", [
    room.resource,
  ]);
  let decidedAt = 0;
  try {
    decidedAt = await decide(stage, async () => {
      people.move(room.upn, id, inOutlook(16));
      await desk.move(reservation, at(14).from, at(14).to);
      say('desk', 'moves it to 14:00');
      say('outlook', 'moves it to 16:00 in the same moment');
    });
  } finally {
    await world.db.query(
      'UPDATE bridge_resource_mappings SET conflict_policy = NULL WHERE resource_id = $1',
      [room.resource],
    );
  }
  const { comparison } = await stage.untilEqual();
  const ms = performance.now() - decidedAt;
  say(
    'result',
    `one time on both sides ${seconds(ms)} later: ${localHour(event().start)}:00; ${comparison.reservations} booked, ${comparison.events} in Outlook`,
  );
  say(
    'why',
    'Each side is compared with what it was when both last agreed, field by field. Different fields merge; for the same one a ' +
      'setting decides (CONFLICT_POLICY), or a person with both versions side by side, as here.',
  );
}

/** Lets both sides change the same field, and a person choose. Returns when. */
async function decide(stage: Stage, edit: () => Promise<void>): Promise<number> {
  const listed = async () =>
    (await stage.api<{ readonly conflicts: readonly Listed[] }>(`/conflicts?resource_id=${resource}`))
      .conflicts[0];
  using heard = stage.listen();
  await edit();
  const met = heard.first((fact) => fact.fact === 'conflict' && fact.resourceId === resource);
  const settled = stage.untilEqual();
  await Promise.race([met, settled]);
  for (const other of [met, settled]) other.catch(() => undefined); // one of them is enough
  const conflict = await listed();
  if (conflict === undefined) {
    stage.say('daemon', 'was through with one edit before the other was made: the later one counts');
    return performance.now();
  }
  stage.say(
    'daemon',
    `changes neither side: a conflict about ${inWords(conflict.fields)}, on the page with both versions`,
  );
  const kept = await stage.choice([keepBooking, keepOutlook], async () => (await listed()) === undefined);
  const decidedAt = performance.now();
  if (kept === null) {
    stage.say('you', 'chose on the page');
    return decidedAt;
  }
  const keep = kept === keepBooking.key ? 'booking' : 'outlook';
  await stage.api(`/conflicts/${conflict.id}/resolve`, { keep, version: conflict.version });
  stage.say('you', `keep what ${keep === 'booking' ? 'the desk' : 'Outlook'} says`);
  return decidedAt;
}

/** Fields in the words of the page. */
const inWords = (fields: readonly string[]): string =>
  [...new Set(fields.map((field) => (/_at$/.test(field) ? 'the time' : `the ${field}`)))].join(' and ');

const hourOf = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', timeZone: 'Europe/Oslo' });
/** `at`: UTC. */
const localHour = (at: string) => hourOf.format(new Date(`${at.slice(0, 19)}Z`));
