/** The last hop: connections, streaming, upgrades, timeouts and retries. */
@NullMarked
package io.apprxy.forward;

import org.jspecify.annotations.NullMarked;
