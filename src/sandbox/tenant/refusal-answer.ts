import type { GraphAnswer, TenantCore } from './core.ts';
import { GraphError } from './graph-error.ts';

/** An error in the form of Graph. Any other error than a refusal is reported as a bug of the tenant. */
export function refusalAnswer(
  core: Pick<TenantCore, 'clock' | 'random'>,
  correlation: string | undefined,
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
          'client-request-id': correlation ?? requestId,
        },
      },
    },
  };
}

/** The `error.code` of a refusal, null for any other answer. */
export function codeOf(answer: GraphAnswer | undefined): string | null {
  if (!answer || answer.status < 400) return null;
  return (answer.body as { error?: { code?: string } } | undefined)?.error?.code ?? null;
}
