import { Agent, request } from 'undici';
import type { ControlTarget } from './control.ts';
import type { Faults } from './faults.ts';
import type { Journalled } from './journal.ts';
import type { People } from './people.ts';
import type { Webhooks } from './subscriptions.ts';
import type { Tenant } from './tenant.ts';

/** The same functions, across a process boundary: each returns a promise, each member is asked for. */
type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : () => Promise<T[K]>;
};

type Plain = Omit<
  Tenant,
  keyof Coordinates | 'people' | 'faults' | 'webhooks' | 'journal' | 'until' | typeof Symbol.asyncDispose
>;
type Coordinates = Pick<Tenant, 'graphBaseUrl' | 'authority' | 'tenantId' | 'clientId' | 'clientSecret'>;

/** A tenant in another process, with the shapes of `Tenant`. Disposing it lets go; it does not stop the tenant. */
export interface RemoteTenant extends Coordinates, AsyncDisposable {
  readonly tenant: Remote<Plain>;
  readonly people: Remote<People>;
  readonly faults: Remote<Faults>;
  readonly webhooks: Remote<Webhooks>;
  /** Entries with a greater seq, oldest first. */
  journal(since?: number): Promise<readonly Journalled[]>;
  /** The first entry after `since` that matches, also one of before. Rejects when the signal aborts. */
  until(match: (entry: Journalled) => boolean, signal?: AbortSignal, since?: number): Promise<Journalled>;
}

const WAIT_MS = 10_000;
const COORDINATES = ['graphBaseUrl', 'authority', 'tenantId', 'clientId', 'clientSecret'] as const;

/** Connects to the control port of a tenant at `url`, which is its authority. Throws if no tenant answers. */
export async function connectTenant(url: string): Promise<RemoteTenant> {
  const agent = new Agent();
  const ask = async (path: string, body?: object, signal?: AbortSignal): Promise<unknown> => {
    const { statusCode, body: answer } = await request(`${url}/_control${path}`, {
      dispatcher: agent,
      method: body ? 'POST' : 'GET',
      signal: signal ?? null,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    });
    const { result, error } = (await answer.json()) as { result?: unknown; error?: string };
    if (statusCode !== 200) throw new Error(`the tenant refused ${path}: ${error}`);
    return result;
  };
  const call = (target: ControlTarget, name: string, args: readonly unknown[]) =>
    ask('/call', { target, name, args });
  const remote = <T>(target: ControlTarget) =>
    new Proxy(
      {},
      {
        get:
          (_, name) =>
          (...args: unknown[]) =>
            call(target, String(name), args),
      },
    ) as Remote<T>;
  const entries = (since: number, waitMs: number, signal?: AbortSignal) =>
    ask(`/journal?since=${since}&waitMs=${waitMs}`, undefined, signal) as Promise<readonly Journalled[]>;

  const coordinates: Record<string, unknown> = {};
  for (const name of COORDINATES) coordinates[name] = await call('tenant', name, []);

  return {
    ...(coordinates as unknown as Coordinates),
    tenant: remote<Plain>('tenant'),
    people: remote<People>('people'),
    faults: remote<Faults>('faults'),
    webhooks: remote<Webhooks>('webhooks'),
    async journal(since = 0) {
      const all: Journalled[] = [];
      for (let page = await entries(since, 0); page.length > 0; page = await entries(all.at(-1)!.seq, 0)) {
        all.push(...page);
      }
      return all;
    },
    async until(match, signal, since = 0) {
      for (let last = since; ;) {
        signal?.throwIfAborted();
        const page = await entries(last, WAIT_MS, signal);
        const found = page.find(match);
        if (found) return found;
        last = page.at(-1)?.seq ?? last;
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}
