/** The text without addresses and numbers of persons (11 digits in Norway), and without tokens and secrets. */
export function bare(text: string): string {
  return text
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 [secret]')
    .replace(
      /\b(client_secret|client_assertion|access_token|refresh_token|api_?key|password)(["']?\s*[:=]\s*["']?)[^\s"'&,;)}]+/gi,
      '$1$2[secret]',
    )
    .replace(/\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?/g, '[token]')
    .replace(/[^\s'"<>(),;=]+@[^\s'"<>(),;=]+/gu, '[address]')
    .replace(/(?<!\d)\d{11}(?!\d)/gu, '[number]');
}
