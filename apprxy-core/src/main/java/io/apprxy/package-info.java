/**
 * The gateway and the values that every stage of a request shares. Start with {@link
 * io.apprxy.Gateway} and {@link io.apprxy.Application}.
 */
@NullMarked
package io.apprxy;

import org.jspecify.annotations.NullMarked;
