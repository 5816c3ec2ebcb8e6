/* Giving up an image: what is stale is not worth the line. In a file of its own: costs nothing where it is not called. */
#include "vlp_core.h"

int vlp_abort_image(vlp_t *link, vlp_image *image)
{
    vlp_image **at = &link->images;
    while (*at && *at != image)
        at = &(*at)->next;
    if (!*at || image->state != I_CUTTING)
        return VLP_E_ARGUMENT;
    link->counts[VLP_N_GIVEN_UP]++;
    image->state = I_ABORTING;
    if (!image->at) {
        *at = image->next;
        vlp_tell(link, VLP_FAILED, image);
    }
    return 0;
}
