/**
 * Many calls to one mailbox in one request (`POST /$batch`). Graph executes four of them at a time (Microsoft:
 * throttling-limits, Outlook), so a batch only saves round trips; it therefore takes all four places.
 */
import type { Answer } from './failure.ts';
import { membersOf, textOf } from './format.ts';
import type { Call, GraphHttp } from './http.ts';
import { unreadable } from './http.ts';
import { placesPerMailbox } from './throttle.ts';

/** Microsoft: json-batching. */
export const mostPerBatch = 20;
/** Bytes; below the 4 MB that a request may have. */
const longestBatch = 3_000_000;

/** One answer per call, in the calls' order; an Error for a call without an answer. */
export type BatchAnswer = Answer | Error;

/**
 * Sends writes to one mailbox in batches of at most `size`. Rejects only with the signal's reason. A batch that is
 * refused as a whole was not executed, possibly because of a single call: its calls are then sent one by one.
 */
export async function sendBatched(
  http: GraphHttp,
  calls: readonly Call[],
  size: number,
  signal: AbortSignal,
): Promise<BatchAnswer[]> {
  const answers = new Array<BatchAnswer>(calls.length);
  await Promise.all(
    chunksOf(calls, Math.min(size, mostPerBatch)).map(async (chunk) => {
      const found = await sendBatch(http, chunk, signal);
      chunk.forEach(({ at }, index) => {
        answers[at] = found[index]!;
      });
    }),
  );
  return answers;
}

/** The answer to one call; the error as a value. Rejects only with the signal's reason. */
export async function sendOne(http: GraphHttp, call: Call, signal: AbortSignal): Promise<BatchAnswer> {
  try {
    return await http.send(call, signal);
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Error ? error : new Error(String(error));
  }
}

interface Placed {
  readonly at: number;
  readonly call: Call;
}

function chunksOf(calls: readonly Call[], size: number): Placed[][] {
  const chunks: Placed[][] = [];
  let length = 0;
  calls.forEach((call, at) => {
    const own = (call.body === undefined ? 0 : Buffer.byteLength(call.body)) + 500;
    const last = chunks.at(-1);
    if (last === undefined || last.length >= size || length + own > longestBatch) {
      chunks.push([{ at, call }]);
      length = own;
    } else {
      last.push({ at, call });
      length += own;
    }
  });
  return chunks;
}

async function sendBatch(
  http: GraphHttp,
  chunk: readonly Placed[],
  signal: AbortSignal,
): Promise<BatchAnswer[]> {
  const calls = chunk.map(({ call }) => call);
  if (calls.length === 1) return [await sendOne(http, calls[0]!, signal)];
  const whole: Call = {
    what: `${calls[0]!.what} and ${calls.length - 1} more`,
    mailbox: calls[0]!.mailbox,
    method: 'POST',
    path: '/$batch',
    body: bodyOf(calls),
    places: placesPerMailbox,
    lane: calls.every(({ lane }) => lane === 'bulk') ? 'bulk' : 'quick',
  };
  const outer = await sendOne(http, whole, signal);
  if (outer instanceof Error) return calls.map(() => outer);
  if (outer.status === 200) {
    const inner = innerAnswers(calls, outer);
    for (const answer of inner) if (!(answer instanceof Error)) http.noteThrottling(answer, whole);
    return inner;
  }
  const misfit = outer.status === 400 || outer.status === 404 || outer.status === 405 || outer.status === 413;
  if (misfit) return Promise.all(calls.map((call) => sendOne(http, call, signal)));
  return calls.map(() => http.refused(outer, whole));
}

/** Each inner request has its own headers: Prefer applies only to its own request (Microsoft: immutable-id). */
function bodyOf(calls: readonly Call[]): string {
  const requests = calls.map((call, index) => {
    const prefer = `"Prefer":${JSON.stringify(`IdType="ImmutableId"${call.prefer === undefined ? '' : `, ${call.prefer}`}`)}`;
    const ifMatch = call.ifMatch === undefined ? '' : `,"If-Match":${JSON.stringify(call.ifMatch)}`;
    const head = `"id":"${index}","method":"${call.method}","url":${JSON.stringify(call.path)}`;
    return call.body === undefined
      ? `{${head},"headers":{${prefer}${ifMatch}}}`
      : `{${head},"headers":{${prefer}${ifMatch},"Content-Type":"application/json"},"body":${call.body}}`;
  });
  return `{"requests":[${requests.join(',')}]}`;
}

/** Answers come in any order; a call without an answer may have been executed. */
function innerAnswers(calls: readonly Call[], outer: Answer): BatchAnswer[] {
  const { responses } = membersOf(outer.body);
  const byId = new Map<string, Answer>();
  for (const one of Array.isArray(responses) ? responses : []) {
    const { id, status, headers, body } = membersOf(one);
    const number = Number(status);
    if (typeof id !== 'string' || !Number.isInteger(number)) continue;
    const named = Object.entries(membersOf(headers)).map(
      ([name, value]) => [name.toLowerCase(), String(value)] as const,
    );
    const inner: Record<string, string> = Object.fromEntries(named);
    byId.set(id, {
      status: number,
      headers: inner,
      body,
      at: outer.at,
      ms: outer.ms,
      requestId: textOf(inner['request-id']) ?? outer.requestId,
    });
  }
  return calls.map((call, index) => byId.get(String(index)) ?? unreadable(call.what, outer, true));
}
