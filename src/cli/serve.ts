/** `serve`: runs the daemon until a signal. */
import { readEnv } from '../environment.ts';
import { toConfig } from '../config.ts';
import { openService } from '../daemon.ts';
import { createLog } from '../log.ts';
import { migrate } from './migrate.ts';

/** Returns the exit code. Throws ConfigError for invalid settings, and Permanent if the port is in use. */
export async function serve(signal: AbortSignal): Promise<number> {
  const config = toConfig(readEnv());
  const log = createLog(config.logLevel);
  await using service = await openService({
    config,
    log,
    prepare: async (stop) => (await migrate(config, (line) => log.info({ line }, 'migrate'), stop)).wake,
  });
  log.info({ url: service.url }, 'http api listening');
  await service.run(signal);
  return 0;
}
