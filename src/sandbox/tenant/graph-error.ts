/** A refusal as Graph words it. Thrown anywhere in the tenant, turned into an answer at the door. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly status: number;
  readonly code: string;
  /** Further members of the `error` object, such as `@event.existingEventId`. */
  readonly extra: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { extra?: Readonly<Record<string, unknown>>; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.extra = more.extra ?? {};
    this.headers = more.headers ?? {};
  }
}

export const badRequest = (message: string) => new GraphError(400, 'BadRequest', message);

export const invalidRequest = (message: string) => new GraphError(400, 'ErrorInvalidRequest', message);

export const invalidParameter = (message: string) => new GraphError(400, 'ErrorInvalidParameter', message);

export const invalidProperty = (message: string) =>
  new GraphError(
    400,
    'ErrorPropertyValidationFailure',
    `At least one property failed validation. ${message}`,
  );

export const itemNotFound = () =>
  new GraphError(404, 'ErrorItemNotFound', 'The specified object was not found in the store.');

export const malformedId = () => new GraphError(400, 'ErrorInvalidIdMalformed', 'Id is malformed.');

export const otherMailbox = () =>
  new GraphError(400, 'ErrorInvalidMailboxItemId', "Item Id doesn't belong to the current mailbox.");

export const notAllowed = () =>
  new GraphError(405, 'ErrorInvalidRequest', 'The OData request is not supported.');

/** A request that Graph would serve and this simulator does not: never mistaken for Graph's own answer. */
export const notSimulated = (what: string) =>
  new GraphError(501, 'NotImplemented', `The simulated tenant does not know ${what}.`);
