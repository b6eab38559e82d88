/**
 * Of undici what sends requests. Its index loads fetch, WebSocket, caches and mocks as well, 12 MB that a daemon keeps for as
 * long as it lives; it is CommonJS without a list of exports, so its files can be loaded by their names.
 */
import { createRequire } from 'node:module';
import type undici from 'undici';

const load = createRequire(import.meta.url);
const { prototype } = load('undici/lib/dispatcher/dispatcher.js') as typeof undici.Dispatcher;
// as undici's index does it
Object.assign(prototype, load('undici/lib/api/index.js'));

export const Agent = load('undici/lib/dispatcher/agent.js') as typeof undici.Agent;
export const EnvHttpProxyAgent = load(
  'undici/lib/dispatcher/env-http-proxy-agent.js',
) as typeof undici.EnvHttpProxyAgent;
