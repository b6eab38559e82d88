import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { monotonicMs } from './clock.ts';
import { refusalOf, type FaultAction } from './faults.ts';
import { GraphError } from './graph-error.ts';
import { findRoute, type Route } from './routes.ts';
import { retryAfterMs, type Throttle } from './throttle.ts';

/** What became of a request: an answer, or silence. */
export type Outcome = { readonly answer: GraphAnswer } | { readonly lost: 'broken' | 'hanging' };

/** A request on its way through the tenant: in flight from its first byte on. */
export interface Passage {
  /** Call once the whole request is there. `batch` names the request within a batch. */
  serve(request: GraphRequest, batch?: string): Promise<Outcome>;
  /** Call when the connection is gone before `serve` was called or while it hangs. */
  abandon(): void;
}

/** The mailbox a path is about, before anything else is known of the request. */
function mailboxNamed(path: string): string | undefined {
  const named = /^\/users\/([^/?]+)/i.exec(path)?.[1];
  try {
    return named === undefined ? undefined : decodeURIComponent(named);
  } catch {
    return undefined; // a malformed escape names nobody; the route answers 400
  }
}

/** Everything every Graph request goes through: places in flight, faults, latency, the journal. */
export function createFrontDoor(core: TenantCore, throttle: Throttle) {
  /** Takes a place for a request to `path`. */
  function enter(path: string): Passage {
    const at = monotonicMs();
    const named = mailboxNamed(path);
    const mailboxId = named === undefined ? undefined : core.directory.find(named)?.id;
    const key = mailboxId ?? path.split(/[/?]/)[1]?.toLowerCase() ?? '';
    const inFlight = throttle.enter(key);
    let here = true;
    const leave = () => {
      if (here) throttle.leave(key);
      here = false;
    };
    const note = (
      request: GraphRequest,
      answer: GraphAnswer | undefined,
      batch: string | undefined,
      lost: boolean,
    ) => {
      const retryAfter = answer?.headers?.['Retry-After'];
      if (retryAfter !== undefined && !lost) throttle.told(key, retryAfterMs(retryAfter));
      core.journal.add({
        at,
        method: request.method,
        path: request.path,
        search: request.search,
        mailbox: mailboxId ?? null,
        status: answer?.status ?? 0,
        code: codeOf(answer),
        body: request.body ?? null,
        inFlight,
        correlation: request.headers['client-request-id'] ?? null,
        batch: batch ?? null,
        lost,
      });
    };
    return {
      abandon: leave,
      async serve(request, batch) {
        const switches = core.faults.switchesFor(mailboxId);
        let fault: FaultAction | undefined;
        let answer: GraphAnswer;
        try {
          throttle.check(key, inFlight, switches);
          const mailbox = mailboxId === undefined ? undefined : core.directory.find(mailboxId);
          fault = core.faults.meeting(request, mailbox, named);
          if (fault?.do === 'drop' || fault?.do === 'hang') {
            note(request, undefined, batch, true);
            if (fault.do === 'drop') leave();
            return { lost: fault.do === 'drop' ? 'broken' : 'hanging' };
          }
          const { latencyMs, latencyJitterMs } = switches;
          const waitMs = latencyMs + (latencyJitterMs && core.random.next() * latencyJitterMs);
          await pause(fault?.do === 'delay' ? waitMs + fault.ms : waitMs);
          if (fault?.do === 'refuse') throw refusalOf(fault);
          const route: Route = findRoute(core, request);
          answer = withApplied(await route.answer(core, request), request);
        } catch (error) {
          answer = refusalAnswer(core, request, error);
        }
        if (fault?.do === 'delayAnswer') await pause(fault.ms);
        const lost = fault?.do === 'dropAnswer';
        leave();
        note(request, answer, batch, lost);
        return lost ? { lost: 'broken' } : { answer };
      },
    };
  }
  return { enter };
}

export type FrontDoor = ReturnType<typeof createFrontDoor>;

/** Says which preferences were honoured (Microsoft: event-get). */
const withApplied = (answer: GraphAnswer, { prefer: { applied } }: GraphRequest): GraphAnswer =>
  applied.length === 0 || answer.headers?.['Preference-Applied'] !== undefined
    ? answer
    : { ...answer, headers: { ...answer.headers, 'Preference-Applied': applied.join(', ') } };

const pause = (ms: number) => (ms > 0 ? new Promise<void>((resolve) => setTimeout(resolve, ms)) : undefined);

const codeOf = (answer: GraphAnswer | undefined) =>
  answer && answer.status >= 400
    ? ((answer.body as { error?: { code?: string } } | undefined)?.error?.code ?? null)
    : null;

/** Any error as Graph words it. What is no refusal of ours is a bug of the tenant's and says so. */
export function refusalAnswer(
  core: Pick<TenantCore, 'clock' | 'random'>,
  request: { readonly headers: GraphRequest['headers'] } | undefined,
  error: unknown,
): GraphAnswer {
  const refusal =
    error instanceof GraphError
      ? error
      : new GraphError(500, 'InternalServerError', `The simulated tenant failed: ${String(error)}`);
  const requestId = core.random.guid();
  return {
    status: refusal.status,
    headers: refusal.headers,
    body: {
      error: {
        code: refusal.code,
        message: refusal.message,
        ...refusal.extra,
        innerError: {
          date: new Date(core.clock.now()).toISOString().slice(0, 19),
          'request-id': requestId,
          'client-request-id': request?.headers['client-request-id'] ?? requestId,
        },
      },
    },
  };
}
