/** What a reverse proxy changes in headers: hop-by-hop, forwarding, redirects and cookies. */
@NullMarked
package io.apprxy.rewrite;

import org.jspecify.annotations.NullMarked;
