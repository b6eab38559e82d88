import type { JournalBook } from './journal.ts';
import type { ControlDesk } from './server.ts';
import type { Tenant } from './tenant.ts';

/** Longest a long poll waits; the client asks again. */
const LONGEST_WAIT_MS = 20_000;
const MOST_ENTRIES = 5_000;

/** The parts of a tenant with functions that can be called from another process. */
const TARGETS = ['tenant', 'people', 'faults', 'webhooks'] as const;
export type ControlTarget = (typeof TARGETS)[number];

/** One call from another process. */
interface ControlCall {
  readonly target: ControlTarget;
  readonly name: string;
  readonly args: readonly unknown[];
}

/**
 * Serves a tenant to other processes: `POST /_control/call` calls any function of its API, or reads a
 * member, `GET /_control/journal?since=N&waitMs=M` waits for entries after N.
 */
export function createControlDesk(tenant: Tenant, journal: JournalBook): ControlDesk {
  const targets: Record<ControlTarget, object> = {
    tenant,
    people: tenant.people,
    faults: tenant.faults,
    webhooks: tenant.webhooks,
  };
  return async (path, search, body, signal) => {
    const query = new URLSearchParams(search);
    if (path === '/call') return call(targets, body as ControlCall);
    if (path === '/journal') {
      const since = Number(query.get('since') ?? 0);
      const waitMs = Math.min(Number(query.get('waitMs') ?? 0), LONGEST_WAIT_MS);
      if (waitMs > 0) await journal.moved(since, AbortSignal.any([signal, AbortSignal.timeout(waitMs)]));
      return journal.since(since, MOST_ENTRIES);
    }
    throw new Error(`there is no control ${path}`);
  };
}

function call(targets: Record<ControlTarget, object>, { target, name, args }: ControlCall): unknown {
  const object = targets[target];
  if (!object || !(name in object)) throw new Error(`the tenant has no ${target}.${name}`);
  const member: unknown = Reflect.get(object, name);
  // JSON has no undefined: an argument left out arrives as null.
  return typeof member === 'function'
    ? Reflect.apply(
        member,
        object,
        args.map((one) => one ?? undefined),
      )
    : member;
}
