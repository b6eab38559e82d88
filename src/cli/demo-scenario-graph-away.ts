/** Scenario: Microsoft Graph does not answer for 20 seconds (12 without a terminal) while both sides change. */
import { setTimeout as pause } from 'node:timers/promises';
import { many, seconds, type Scenario, type ScenarioContext } from './demo-scenario.ts';

const awayMs = 20_000;
/** Without a terminal a run ends within half a minute, including the daemon's last back-off. */
const unattendedMs = 12_000;

export const graphAway: Scenario = {
  name: 'graph-away',
  key: 'g',
  title: 'Microsoft Graph does not answer for a while',
  run,
};

async function run(context: ScenarioContext): Promise<void> {
  const { world, desk, people, say } = context;
  const lastsMs = context.attended ? awayMs : unattendedMs;
  const hall = context.room(202);
  const meeting = context.room(104);
  const day = context.day();
  const moved = await desk.book(hall.resource, { title: 'Dansekurs', ...hours(day, 10) });
  const cancelled = await desk.book(hall.resource, { title: 'Bokmesse', ...hours(day, 14) });
  await context.untilEqual();

  const fault = world.tenant.faults.add({ action: { do: 'drop' } });
  const awayAt = performance.now();
  const from = context.lastCall();
  try {
    say('fault', `every call to Graph fails for ${lastsMs / 1_000} s`);
    await desk.book(hall.resource, { title: 'Turnstevne', ...hours(day, 18) });
    await desk.move(moved, `${day} 12:00`, `${day} 13:00`);
    await desk.cancel(cancelled);
    say('desk', `books one, moves one and cancels one in ${hall.name}, without waiting`);
    const booked = hours(day, 9);
    people.book(meeting.upn, {
      subject: 'Intervju',
      start: booked.from.replace(' ', 'T'),
      end: booked.to.replace(' ', 'T'),
      timeZone: 'W. Europe Standard Time',
    });
    say('outlook', `a user books «Intervju» in ${meeting.name}`);
    await pause(lastsMs - (performance.now() - awayAt), undefined, { signal: context.signal });
  } finally {
    world.tenant.faults.remove(fault);
  }
  const during = context.callsSince(from).filter((call) => call.lost).length;
  const waiting = (await context.compare()).differences.length;
  say(
    'daemon',
    `keeps pending changes in the database and probes Graph: ${many(during, 'call')} in ${lastsMs / 1_000} s, ` +
      `${many(waiting, 'difference')} between both sides so far`,
  );
  const { ms, comparison } = await context.untilEqual();
  say(
    'result',
    `Graph answers again; both sides equal after ${seconds(ms)}, ${comparison.reservations} booked, ${comparison.events} in Outlook`,
  );
  say(
    'why',
    'The row of a change is written in the transaction of the booking and deleted only after Graph has accepted the change. ' +
      'Changes in Outlook are read after the outage. Retries never stop, and an outage raises one alert.',
  );
}

const hours = (day: string, hour: number) => ({
  from: `${day} ${String(hour).padStart(2, '0')}:00`,
  to: `${day} ${String(hour + 1).padStart(2, '0')}:00`,
});
