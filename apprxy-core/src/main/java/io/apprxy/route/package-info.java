/** Which application an external URL belongs to, from one canonical request target. */
@NullMarked
package io.apprxy.route;

import org.jspecify.annotations.NullMarked;
