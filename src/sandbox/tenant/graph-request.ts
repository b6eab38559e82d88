import type { GraphRequest } from './core.ts';
import { badRequest, GraphError } from './graph-error.ts';
import { readPreferences } from './preferences.ts';

/** Builds a request from its parts. `target` is path and query without the version. Throws Graph's 400. */
export function readRequest(
  method: string,
  target: string,
  headers: Readonly<Record<string, string | undefined>>,
  body: unknown,
): GraphRequest {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const search = mark < 0 ? '' : target.slice(mark);
  let segments: string[];
  try {
    segments = path.split('/').slice(1).map(decodeURIComponent);
  } catch {
    throw badRequest('The request URI is malformed.'); // a broken % escape; nothing more to tell
  }
  if (segments.at(-1) === '') segments.pop();
  return {
    method: method.toUpperCase(),
    path,
    segments,
    search,
    query: new URLSearchParams(search),
    headers,
    prefer: readPreferences(headers.prefer),
    body,
  };
}

/** Reads a JSON body. Throws 400 for anything else, 415 for one that does not call itself JSON. */
export function readJson(text: string, contentType: string | undefined): unknown {
  if (text === '') return undefined;
  if (!/^application\/json\b/i.test(contentType ?? '')) {
    throw new GraphError(
      415,
      'RequestBodyRead',
      'A supported MIME type could not be found that matches the content type of the request.',
    );
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw Object.assign(
      badRequest(
        'Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.',
      ),
      { cause },
    );
  }
}
