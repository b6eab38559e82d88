/**
 * One HTTP request and its whole answer, on undici's `dispatch`. Its `request` prepares a stream, an asynchronous resource and
 * the listeners for the answer before it sends anything; here they come after the request is on its way.
 */
import type { Dispatcher } from 'undici';

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/**
 * Rejects with the error of the connection, with the reason of `signal` if it aborts, and with an error of code ANSWER_TIMEOUT if
 * the last byte of the answer has not arrived after `wholeMs`.
 */
export function request(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal,
  wholeMs: number,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status = 0;
    let headers: HttpAnswer['headers'] = {};
    let controller: Dispatcher.DispatchController | null = null;
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const over = () => {
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const stop = (reason: Error) => {
      over();
      reject(reason);
      controller?.abort(reason);
    };
    const onAbort = () => stop(signal.reason as Error);
    const tooLong = () =>
      stop(Object.assign(new Error('the answer took too long'), { code: 'ANSWER_TIMEOUT' }));
    dispatcher.dispatch(options, {
      onRequestStart(started) {
        controller = started;
        // given up before it is sent
        if (signal.aborted) onAbort();
        else if (isOver) started.abort(new Error('the request took too long'));
      },
      // also called for an interim answer (1xx), before the final one
      onResponseStart(_, code, named) {
        status = code;
        headers = named;
      },
      onResponseData(_, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        over();
        resolve({ status, headers, text: textOf(chunks) });
      },
      onResponseError(_, error) {
        over();
        reject(error);
      },
    });
    // undici checks an idle connection and sends at the end of this turn of the event loop
    setImmediate(() => {
      if (isOver) return;
      if (signal.aborted) return onAbort();
      timer = setTimeout(tooLong, wholeMs);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  });
}

/** UTF-8 without a byte order mark. */
function textOf(chunks: readonly Buffer[]): string {
  const text = chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString();
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}
