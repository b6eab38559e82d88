/**
 * Events made twice when daemons are killed again and again in the middle of their creates; beside it the control: the
 * same with a Graph that knows no idempotency keys.
 */
import type { Figure } from './figures.ts';
import {
  bookEvents,
  environmentOf,
  openBridge,
  pause,
  settled,
  startAcceptingServer,
  startDaemon,
} from './stage.ts';

const rooms = 40;
const kills = 15;
const atATime = 530;
const longestMs = 20_000;

/** Takes less than 60 s. */
export async function measureDuplicates(): Promise<Figure[]> {
  const ours = await run({});
  const control = await run({ FORGETS: '1' });
  const note = (done: Run) => `${done.kills} kills in ${done.pushes} pushes, ${done.events} events`;
  return [
    { what: 'events doubled by kill -9', values: [ours.doubled], target: '0', note: note(ours) },
    {
      what: 'control: a Graph without transactionId',
      values: [control.doubled],
      target: '> 0',
      note: note(control),
    },
  ];
}

interface Run {
  readonly doubled: number;
  readonly events: number;
  readonly pushes: number;
  readonly kills: number;
}

async function run(server: Readonly<Record<string, string>>): Promise<Run> {
  await using opened = new AsyncDisposableStack();
  const bridge = opened.use(await openBridge(rooms));
  const graph = opened.use(await startAcceptingServer({ LATENCY_MS: '20', JITTERS: '1', ...server }));
  const env = environmentOf(bridge, graph.origin);
  const daemons = [await startDaemon(env), await startDaemon(env)];
  opened.defer(async () => {
    for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
  });
  await settled(bridge.pool);
  const begun = performance.now();
  let pushes = 0;
  let done = 0;
  while (done < kills && performance.now() - begun < longestMs) {
    await bookEvents(bridge.pool, atATime, rooms);
    pushes += atATime;
    await pause(60 + Math.random() * 150);
    await daemons[done % 2]!.kill();
    daemons[done % 2] = await startDaemon(env);
    done += 1;
  }
  await settled(bridge.pool);
  const { doubled, events } = await graph.count();
  return { doubled, events, pushes, kills: done };
}
