/** Whether calls may be sent: the lease session exists, and this process was not frozen. */
import { Retryable } from '../../errors.ts';

/** A longer gap on the monotonic clock means that this process was frozen and others may have taken over. */
const frozenMs = 3_000;
const tickMs = 250;

export function createSendGuard() {
  let awakeAt = performance.now();
  let current: AbortController | null = null;
  function endIfFrozen(): void {
    if (performance.now() - awakeAt > frozenMs) current?.abort(new Error('this process was frozen'));
  }
  /** Ends the lease session if this process was frozen. */
  function maySend(): boolean {
    endIfFrozen();
    return current !== null && !current.signal.aborted;
  }
  return {
    /** A lease session is in use; `ended` is aborted if this process was frozen. */
    begin(ended: AbortController): void {
      current = ended;
      awakeAt = performance.now();
    },
    end(): void {
      current = null;
    },
    /** Notices that this process was frozen, until it is disposed. */
    watch(): Disposable {
      const ticking = setInterval(() => {
        endIfFrozen();
        awakeAt = performance.now();
      }, tickMs);
      return { [Symbol.dispose]: () => clearInterval(ticking) };
    },
    maySend,
    /** Throws Retryable when nothing may be sent. */
    needLease(): void {
      if (!maySend())
        throw new Retryable('the lease is lost; another daemon may hold the room', { reach: 'room' });
    },
  };
}
