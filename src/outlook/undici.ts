/**
 * The request part of undici. Its index also loads fetch, WebSocket, caches and mocks, 12 MB of permanent memory; it is CommonJS
 * without an exports list, so its files can be loaded by name.
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
