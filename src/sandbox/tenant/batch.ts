import type { GraphAnswer, TenantCore } from './core.ts';
import { asMembers } from './event-fields.ts';
import type { FrontDoor, Outcome } from './front-door.ts';
import { readRequest } from './graph-request.ts';
import { badRequest, GraphError } from './graph-error.ts';
import { refusalAnswer } from './refusal-answer.ts';
import type { Received } from './throttle.ts';

/** Microsoft: json-batching. */
const MOST_REQUESTS = 20;
/** Graph sends at most four inner requests at a time, also to different mailboxes (Microsoft: throttling, Outlook). */
const AT_A_TIME = 4;
const METHODS = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'];

interface Step {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly dependsOn: readonly string[];
}

interface Batch {
  readonly name: string;
  readonly received: Received;
}

interface Reply {
  readonly id: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * POST /$batch. The whole is refused if it does not parse; after that the answer is 200 and each inner
 * request has its own status. Replies come in any order. When an inner answer is lost, all are.
 */
export async function serveBatch(
  core: TenantCore,
  door: FrontDoor,
  body: unknown,
  of: Batch,
): Promise<Outcome> {
  const steps = readSteps(body);
  const replies = new Map<string, Reply>();
  let lost: 'broken' | 'hanging' | undefined;
  const run = async (step: Step) => {
    const failed = step.dependsOn.some((id) => (replies.get(id)?.status ?? 500) >= 400);
    const outcome = failed ? { answer: failedDependency(core) } : await serveStep(door, step, of);
    if ('lost' in outcome) lost = outcome.lost;
    else replies.set(step.id, replyOf(step.id, outcome.answer));
  };
  // With dependsOn one at a time, else four.
  const width = steps.some((step) => step.dependsOn.length > 0) ? 1 : AT_A_TIME;
  const waiting = width === 1 ? inDependencyOrder(steps) : [...steps];
  const work = async () => {
    for (let step = waiting.shift(); step; step = waiting.shift()) await run(step);
  };
  await Promise.all(Array.from({ length: width }, work));
  if (lost) return { lost };
  return { answer: { status: 200, body: { responses: core.random.shuffled([...replies.values()]) } } };
}

async function serveStep(door: FrontDoor, step: Step, { name, received }: Batch): Promise<Outcome> {
  const { method, url: target, headers, body } = step;
  const passage = door.enter({ method, target, headers, batch: `${name}/${step.id}`, received });
  const outcome = await passage.serve(() => readRequest(method, target, headers, body));
  // The client cannot give up an inner request, so one that hangs holds no place for ever.
  passage.abandon();
  return outcome;
}

const failedDependency = (core: TenantCore) =>
  refusalAnswer(
    core,
    undefined,
    new GraphError(424, 'FailedDependency', 'A dependency of this request failed.'),
  );

const replyOf = (id: string, { status, headers = {}, body }: GraphAnswer): Reply => ({
  id,
  status,
  headers: body === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
  ...(body === undefined ? {} : { body }),
});

function readSteps(body: unknown): Step[] {
  const { requests, ...rest } = asMembers(body);
  if (Object.keys(rest).length > 0 || !Array.isArray(requests) || requests.length === 0) {
    throw badRequest("Invalid batch payload format: 'requests' is a collection that is not empty.");
  }
  if (requests.length > MOST_REQUESTS) {
    throw new GraphError(
      400,
      'MaximumValueExceeded',
      `Number of batch request steps exceeds the maximum value of ${MOST_REQUESTS}.`,
    );
  }
  const steps = requests.map(readStep);
  const ids = new Set(steps.map((step) => step.id.toLowerCase()));
  if (ids.size < steps.length) throw badRequest('Request id has to be unique in a batch.');
  for (const { dependsOn } of steps) {
    if (!dependsOn.every((id) => ids.has(id.toLowerCase())))
      throw badRequest('dependsOn names an unknown request.');
  }
  return steps;
}

function readStep(value: unknown): Step {
  const { id, method, url, headers = {}, body, dependsOn = [], ...rest } = asMembers(value);
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw badRequest(`Invalid batch payload format: unknown member '${unknown}'.`);
  if (typeof id !== 'string' || id === '') throw badRequest('Invalid batch payload format: id is a string.');
  const verb = typeof method === 'string' ? method.toUpperCase() : '';
  if (!METHODS.includes(verb)) throw badRequest(`Invalid batch payload format: method of request '${id}'.`);
  if (typeof url !== 'string' || !url.startsWith('/')) {
    throw badRequest(`Invalid batch payload format: the url of request '${id}' is not relative.`);
  }
  if (/^\/\$batch/i.test(url)) throw badRequest('A batch cannot contain a batch.');
  const named = Object.entries(asMembers(headers)).map(([name, text]) => [name.toLowerCase(), String(text)]);
  const own = Object.fromEntries(named) as Record<string, string>;
  // Microsoft: json-batching, "headers ... Content-Type is required when there is a body".
  if (body !== undefined && !/^application\/json\b/i.test(own['content-type'] ?? '')) {
    throw badRequest(`Write request id : ${id} does not contain Content-Type header or body.`);
  }
  if (!Array.isArray(dependsOn)) throw badRequest('dependsOn is a collection of ids.');
  return { id, method: verb, url, headers: own, body, dependsOn: dependsOn.map(String) };
}

/** Each request after those it waits for. Throws for a circle. */
function inDependencyOrder(steps: readonly Step[]): Step[] {
  const ordered: Step[] = [];
  const done = new Set<string>();
  while (ordered.length < steps.length) {
    const next = steps.filter((step) => !done.has(step.id) && step.dependsOn.every((id) => done.has(id)));
    if (next.length === 0) throw badRequest('dependsOn goes in a circle.');
    for (const step of next) done.add(step.id);
    ordered.push(...next);
  }
  return ordered;
}
