/** The session of a signed-in user, in an encrypted cookie. */
@NullMarked
package io.apprxy.auth.session;

import org.jspecify.annotations.NullMarked;
