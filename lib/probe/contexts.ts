/** The TLS contexts of a probe: one for each kind of ClientHello that a server may need, made when it does. */
import type { ResolvedSmtp } from '../config/options.js';
import type { NativeContext } from '../native.js';
import { createClientContext } from '../tls/client-context.js';
import { type HelloKind, helloGroups, helloKinds } from '../tls/hello-groups.js';
import { usesTls } from '../tls/levels.js';
import type { ProbeTables } from './tables.js';

export interface ProbeContextsProps {
  readonly smtp: ResolvedSmtp;
  readonly tables: ProbeTables;
  readonly keyLogFile: string | undefined;
  readonly warn: (text: string) => void;
}

export class ProbeContexts {
  /** In the order in which they are tried. */
  readonly kinds: readonly HelloKind[];

  readonly #props: ProbeContextsProps;
  readonly #made = new Map<HelloKind, NativeContext>();

  /** @throws TlsError `CHAIN_*`, `CA_LOAD`, `BAD_*`, `INVALID_PARAMETER` */
  constructor(props: ProbeContextsProps) {
    const { smtp, tables } = props;
    this.#props = props;
    this.kinds = helloKinds.filter(
      (kind) => kind === 'usual' || helloGroups(smtp.tls, kind) !== null,
    );
    const { policyMaps, perSite } = tables;
    if (policyMaps !== null || perSite.length > 0 || usesTls(smtp.tls.securityLevel)) {
      this.of('usual'); // what is wrong is to be known before anything is done
    }
  }

  of(kind: HelloKind): NativeContext {
    const made = this.#made.get(kind) ?? this.#make(kind);
    this.#made.set(kind, made);
    return made;
  }

  #make(kind: HelloKind): NativeContext {
    const { smtp, warn, keyLogFile } = this.#props;
    const groups = kind === 'usual' ? null : helloGroups(smtp.tls, kind);
    const tls =
      groups === null ? smtp.tls : { ...smtp.tls, eecdhAutoCurves: groups, ffdheAutoGroups: [] };
    return createClientContext(tls, { warn, keyLogFile });
  }
}
