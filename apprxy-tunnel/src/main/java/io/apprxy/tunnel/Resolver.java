package io.apprxy.tunnel;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;

/** Looks names up. May block; called on workers. */
interface Resolver {
  /** All addresses of a name. */
  List<InetAddress> resolve(String host) throws UnknownHostException;

  /** The look-up of the JVM, which caches. */
  static Resolver ofJvm() {
    return host -> List.of(InetAddress.getAllByName(host));
  }
}
