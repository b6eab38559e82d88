/** The process's environment and the optional `.env` file. The only reader of `process.env` beside `main.ts`. */
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { messageOf } from './errors.ts';
import { ConfigError, Settings, variables, type Environment } from './settings.ts';

/**
 * The process's environment, with the variables of `.env` in the working folder added if that file exists. Throws ConfigError if
 * it cannot be read or has an unquoted # in a value, where Node would cut the value as at a comment.
 */
export function readEnv(file = '.env'): Environment {
  if (!existsSync(file)) return process.env;
  const content = readEnvFile(file);
  const settings = new Settings(process.env);
  for (const [, name = ''] of content.matchAll(cutValue))
    if (name in variables || name.startsWith('API_KEY_'))
      settings.problem(
        name,
        `has a # without quotes in ${file}, which starts a comment; write ${name}='…', or a space before the comment`,
      );
  settings.throwIfAny();
  for (const [name, value] of Object.entries(parseEnv(content))) process.env[name] ??= value;
  return process.env;
}

/** A line of `.env` whose value has no quotes and a # without a space before it. */
const cutValue = /^[^\S\n]*(?:export[^\S\n]+)?(\w+)[^\S\n]*=(?:#|[^\S\n]*[^\s"'`#](?:[^\n#]*\S)?#)/gm;

function readEnvFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new ConfigError([
      `${file}: cannot be read (${messageOf(error)}); make it a readable file, or remove it`,
    ]);
  }
}

/** The npm script that started this process (`npx` for npx, null: neither npm nor npx), and the search path for programs. */
export const startedBy = (): { readonly npmScript: string | null; readonly path: string } => ({
  npmScript: process.env['npm_lifecycle_event'] ?? null,
  path: process.env['PATH'] ?? '',
});

/**
 * The environment variables of libfaketime, for child processes with their own environment: daemon and database must have the
 * same date. Empty without libfaketime.
 */
export const clockShim = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value = '']) =>
      name === 'LD_PRELOAD' || name.startsWith('FAKETIME') ? [[name, value]] : [],
    ),
  );
