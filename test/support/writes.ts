/** What a client asked a simulated tenant to write. */
import type { Journalled } from '../../src/sandbox/tenant/journal.ts';

/** Any writing request but that of a claim, which each full scan raises. */
export const isWrite = ({ method, path }: Journalled): boolean =>
  method !== 'GET' && !path.endsWith('/calendar');
