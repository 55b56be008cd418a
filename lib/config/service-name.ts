/** Names of services: Postfix looks for them in its queue directory, we have none. */

/** The UNIX socket that it names: a path, `unix:` before it or not. Null: a bare name, of which nothing is known. */
export function serviceSocket(name: string): string | null {
  const path = name.startsWith('unix:') ? name.slice('unix:'.length) : name;
  return path.includes('/') ? path : null;
}
