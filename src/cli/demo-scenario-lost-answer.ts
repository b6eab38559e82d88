/** Scenario: Outlook creates the event, and its answer to the daemon is lost. */
import { many, seconds, type Scenario, type ScenarioContext } from './demo-scenario.ts';

export const lostAnswer: Scenario = {
  name: 'lost-answer',
  key: 'l',
  title: 'an answer from Microsoft is lost',
  run,
};

async function run(context: ScenarioContext): Promise<void> {
  const { world, desk, say } = context;
  const room = context.room(201);
  const day = context.day();
  const from = context.lastCall();
  world.tenant.faults.add({
    match: { method: 'POST', path: '/events$', mailbox: room.upn },
    times: 1,
    action: { do: 'dropAnswer' },
  });
  using facts = context.recordFacts();
  const reservation = await desk.book(room.resource, {
    title: 'Korfestival',
    from: `${day} 10:00`,
    to: `${day} 12:00`,
  });
  const bookedAt = performance.now();
  say('desk', `books «Korfestival» in ${room.name}, ${day} 10:00 (event ${reservation.id})`);
  say('fault', 'Outlook creates the event, then the connection breaks and the answer is lost');
  await facts.first(
    (fact) => fact.fact === 'pushed' && fact.reservationId === reservation.id && fact.action !== 'waiting',
  );
  const toldAfter = performance.now() - bookedAt;
  const { comparison } = await context.untilEqual();

  const calls = context.callsSince(from).filter(({ path }) => path.includes('/events'));
  const posts = calls.filter(({ method }) => method === 'POST');
  const lost = posts.filter((call) => call.lost);
  const searches = calls.filter(({ method }) => method === 'GET');
  const events = world.tenant
    .eventsIn(room.upn)
    .filter(({ extendedProperties }) => Object.values(extendedProperties).includes(String(reservation.id)));
  if (events.length !== 1) throw new Error(`There are ${many(events.length, 'event')} for one reservation.`);
  say(
    'daemon',
    `searches for the event before it repeats the create: ${many(posts.length, 'create')} sent, ${lost.length} answer lost, ` +
      `${many(searches.length, 'search', 'searches')}; mapped after ${seconds(toldAfter)}`,
  );
  say(
    'result',
    `${many(events.length, 'event')} for 1 reservation; ${comparison.reservations} booked, ${comparison.events} in Outlook`,
  );
  say(
    'why',
    'A create carries an idempotency key derived from the reservation, and the id of the reservation. After a lost answer ' +
      'the event is searched for by them, so a repeated create makes no second event.',
  );
}
