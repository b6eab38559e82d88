/**
 * As Promise.all, but a failure is thrown only when all have ended: nothing of a room may still be on its way when its
 * drain gives up, or the daemon that takes the room next would meet it there.
 */
export async function together<T extends readonly unknown[] | []>(work: T) {
  await Promise.allSettled(work);
  return await Promise.all(work);
}
