/** The metrics endpoint for Prometheus. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Metrics } from '../ops/metrics.ts';
import { newRoutes } from './schema.ts';

export interface MetricsParts {
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>;
}

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  tags: ['Health'],
  summary: 'Metrics for Prometheus',
  responses: {
    200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } },
  },
});

export function metricsRoutes({ metrics }: MetricsParts) {
  return newRoutes().openapi(metricsRoute, async (c) =>
    c.text(await metrics.text(), 200, { 'Content-Type': metrics.contentType }),
  );
}
