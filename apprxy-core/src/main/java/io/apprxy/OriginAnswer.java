package io.apprxy;

import java.util.List;

/** The head of what an origin answers, before the client sees it. Confined to one request. */
public interface OriginAnswer {
  /** The status. */
  int status();

  /** The values of all headers of this name, in any case; empty if there is none. */
  List<String> headers(String name);

  /** Removes every header of this name: the client is not to see it. */
  void remove(String name);
}
