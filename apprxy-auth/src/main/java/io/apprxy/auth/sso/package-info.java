/** How an origin learns who the user is. */
@NullMarked
package io.apprxy.auth.sso;

import org.jspecify.annotations.NullMarked;
