import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { monotonicMs } from './clock.ts';
import { refusalOf, type FaultAction } from './faults.ts';
import { codeOf, refusalAnswer } from './refusal-answer.ts';
import { findRoute } from './routes.ts';
import { retryAfterMs, type Received, type Throttle } from './throttle.ts';

/** The outcome of a request: an answer, or none. */
export type Outcome = { readonly answer: GraphAnswer } | { readonly lost: 'broken' | 'hanging' };

/** A request as its first line and headers announce it. */
interface Arrival {
  readonly method: string;
  /** Path and query, without the version. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Which request of which batch it is. */
  readonly batch?: string;
  readonly received: Received;
}

/** A request on its way through the tenant: in flight from its first byte on. */
export interface Passage {
  /** Reads the rest of the request, lets it meet its fault, answers it and notes it in the journal. */
  serve(
    read: () => GraphRequest | Promise<GraphRequest>,
    answerOf?: (request: GraphRequest) => Promise<Outcome>,
  ): Promise<Outcome>;
  /** Call when the connection is gone. */
  abandon(): void;
}

/** The client went away in the middle of its request. */
export class ClientLeft extends Error {
  override readonly name = 'ClientLeft';
}

/** Everything every Graph request goes through: places in flight, faults, latency, the journal. */
export interface FrontDoor {
  /** Call when a request arrives, before `enter`. */
  receive(connection: object): Received;
  /** Takes a place for a request. */
  enter(arrival: Arrival): Passage;
}

export const createFrontDoor = (core: TenantCore, throttle: Throttle): FrontDoor => ({
  receive: (connection) => throttle.receive(connection),
  enter: (arrival) => enter(core, throttle, arrival),
});

function enter(core: TenantCore, throttle: Throttle, arrival: Arrival): Passage {
  const at = monotonicMs();
  const { method, target, headers, batch, received } = arrival;
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const named = mailboxNamed(path);
  const mailbox = named === undefined ? undefined : core.directory.find(named);
  const key = mailbox?.id ?? path.split('/')[1]?.toLowerCase() ?? '';
  const isBatch = isBatchPath(path);
  const inFlight = throttle.enter(key);
  let here = true;
  const leave = () => {
    if (here) throttle.leave(key);
    here = false;
  };
  const note = (body: unknown, answer: GraphAnswer | undefined, lost: boolean) => {
    const retryAfter = answer?.headers?.['Retry-After'];
    if (retryAfter !== undefined && !lost) throttle.told(key, retryAfterMs(retryAfter), received);
    core.journal.add({
      at,
      method,
      path,
      search: mark < 0 ? '' : target.slice(mark),
      mailbox: mailbox?.id ?? null,
      status: answer?.status ?? 0,
      code: codeOf(answer),
      body: body ?? null,
      inFlight,
      correlation: headers['client-request-id'] ?? null,
      batch: batch ?? null,
      lost,
    });
  };
  return {
    abandon: leave,
    async serve(read, answerOf = (request) => answerRoute(core, request)) {
      const switches = core.faults.switchesFor(mailbox?.id);
      let fault: FaultAction | undefined;
      let body: unknown;
      let outcome: Outcome;
      try {
        const request = await read();
        // The parts of a batch are noted, and take their time, one by one.
        body = isBatch ? undefined : request.body;
        throttle.check(key, mailbox === undefined ? 0 : inFlight, switches, received);
        fault = core.faults.meeting(request, mailbox, named);
        if (fault?.do !== 'drop' && fault?.do !== 'hang')
          await pause(isBatch ? 0 : waitOf(core, fault, mailbox?.id));
        outcome = fault ? await answerFaulty(fault, () => answerOf(request)) : await answerOf(request);
      } catch (error) {
        leave();
        if (error instanceof ClientLeft) return { lost: 'broken' };
        outcome = { answer: refusalAnswer(core, headers['client-request-id'], error) };
      }
      if (fault?.do === 'delayAnswer') await pause(fault.ms);
      const lost = fault?.do === 'dropAnswer' || 'lost' in outcome;
      if (fault?.do !== 'hang') leave();
      note(body, 'answer' in outcome ? outcome.answer : undefined, lost);
      return fault?.do === 'dropAnswer' ? { lost: 'broken' } : outcome;
    },
  };
}

async function answerRoute(core: TenantCore, request: GraphRequest): Promise<Outcome> {
  return { answer: withApplied(await findRoute(core, request).answer(core, request), request) };
}

function answerFaulty(fault: FaultAction, answer: () => Promise<Outcome>): Promise<Outcome> | Outcome {
  if (fault.do === 'drop') return { lost: 'broken' };
  if (fault.do === 'hang') return { lost: 'hanging' };
  if (fault.do === 'refuse') throw refusalOf(fault);
  return answer();
}

/** The duration of a request. */
function waitOf(core: TenantCore, fault: FaultAction | undefined, mailboxId: string | undefined): number {
  const { latencyMs, latencyJitterMs } = core.faults.switchesFor(mailboxId);
  const jitterMs = latencyJitterMs > 0 ? core.random.next() * latencyJitterMs : 0;
  return latencyMs + jitterMs + (fault?.do === 'delay' ? fault.ms : 0);
}

export const isBatchPath = (path: string) => /^\/(?:\$|%24)batch\/?$/i.test(path);

/** The mailbox a path is about, before anything else is known of the request. */
function mailboxNamed(path: string): string | undefined {
  const named = /^\/users\/([^/]+)/i.exec(path)?.[1];
  try {
    return named === undefined ? undefined : decodeURIComponent(named);
  } catch {
    return undefined; // a malformed escape names no mailbox; the route answers 400
  }
}

/** Says which preferences were honoured (Microsoft: event-get). */
const withApplied = (answer: GraphAnswer, { prefer: { applied } }: GraphRequest): GraphAnswer =>
  applied.length === 0 || answer.headers?.['Preference-Applied'] !== undefined
    ? answer
    : { ...answer, headers: { ...answer.headers, 'Preference-Applied': applied.join(', ') } };

const pause = (ms: number) => (ms > 0 ? new Promise<void>((resolve) => setTimeout(resolve, ms)) : undefined);
