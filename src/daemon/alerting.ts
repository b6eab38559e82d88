/** Alerts, with connections of their own, so that they do not wait for others. */
import { randomUUID } from 'node:crypto';
import type { Config } from '../config.ts';
import { openPool } from '../database.ts';
import type { Tell } from '../facts.ts';
import { createAlertWebhook } from '../ops/alert-webhook.ts';
import { createAlerts } from '../ops/alerts.ts';
import { credentialEnds } from '../outlook/auth.ts';
import { createDispatcher } from '../outlook/http.ts';
import { answerMs } from './lease-session.ts';

/** `capture`: reads the triggers; `writing`: whether anything may be written; `opened` closes the connections. */
export function openAlerts(
  config: Config,
  tell: Tell,
  capture: Parameters<typeof createAlerts>[0]['readCapture'],
  writing: () => boolean,
  opened: AsyncDisposableStack,
) {
  const db = openPool(config.database, 'bridge alerts', 2, answerMs);
  opened.defer(() => db.end());
  const dispatcher = createDispatcher(config.graph.proxy, 1);
  opened.defer(() => dispatcher.destroy());
  return opened.use(
    createAlerts({
      db,
      webhook: opened.use(createAlertWebhook({ url: config.alertWebhookUrl, dispatcher, tell })),
      tell,
      holder: randomUUID(),
      readCapture: capture,
      credentialEnds: () => credentialEnds(config.graph),
      webhooks: config.webhookBaseUrl !== null,
      get sends() {
        return config.autoSync && writing();
      },
    }),
  );
}
