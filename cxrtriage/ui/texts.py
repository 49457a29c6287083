"""Every word of the page, in one place. A text is found by its key; braces are filled by the caller.

A second language is a second entry beside "en". `Texts` falls back to nothing: a missing text is found by
the test and not by a reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cxrtriage.film.codes import Language

# What the film viewer says; all of it goes to the browser with the film.
VIEWER: dict[str, dict[Language, str]] = {
    "empty_title": {"en": "No film open"},
    "empty_words": {
        "en": "Open a chest film above, or choose an example to look around. "
        "It is read at once; nothing is sent anywhere and nothing is kept."
    },
    "viewer": {"en": "Film viewer"},
    "tools": {"en": "Tools"},
    "film": {"en": "Chest film"},
    "no_film": {"en": "Film, none open"},
    "loading": {"en": "Loading the film …"},
    "window": {"en": "Window"},
    "window_hint": {"en": "Window (W): drag across for width, up and down for the centre"},
    "crop": {"en": "Crop"},
    "crop_hint": {"en": "Crop (C): draw a box, then drag its sides"},
    "pan": {"en": "Move"},
    "pan_hint": {"en": "Move (P): drag the film; wheel or two fingers zoom with any tool"},
    "invert": {"en": "Invert"},
    "invert_hint": {"en": "Invert black and white (I)"},
    "rotate": {"en": "Rotate"},
    "rotate_hint": {"en": "Turn by 90° clockwise (R)"},
    "fit": {"en": "Fit"},
    "fit_hint": {"en": "Fit the film to the screen (0, or double click)"},
    "reset": {"en": "Reset"},
    "reset_hint": {"en": "Undo every adjustment (Backspace)"},
    "help": {"en": "Keys"},
    "help_hint": {"en": "Mouse, touch and keys (?)"},
    "only_crop": {"en": "Show only the crop"},
    "whole_film": {"en": "Whole film"},
    "right_side": {"en": "R"},
    "right_side_hint": {
        "en": "The patient's right, as the file is laid out. Trust a marker on the film before this one."
    },
    "window_values_hint": {"en": "Window centre and width, in the grey values of the file"},
    "grey": {"en": "grey"},
    "shown_at": {"en": "shown at {ratio}"},
    "off": {"en": "off"},
    "no_map": {"en": "no map"},
    "brightness": {"en": "Brightness"},
    "brightness_hint": {"en": "Adds light. Double click on the slider: back to 0"},
    "contrast": {"en": "Contrast"},
    "contrast_hint": {"en": "Spreads the greys about the middle. Double click: back to 1"},
    "sharpness": {"en": "Sharpness"},
    "sharpness_hint": {"en": "Lifts edges, and noise with them. Double click: back to 0"},
    "clahe": {"en": "Local contrast"},
    "clahe_hint": {"en": "Evens out dark and bright regions (CLAHE). Double click: off"},
    "contour": {"en": "Contour level"},
    "contour_hint": {
        "en": "The line over the film runs where the likelihood of a lesion is this high. Only the map of "
        "lesion likelihood has one; it stays where the map's opacity is 0"
    },
    "opacity": {"en": "Map opacity"},
    "opacity_hint": {"en": "How much of the map covers the film. M hides and shows it"},
    "map_none": {"en": "none"},
    "map_more": {"en": "more"},
    "map_bar": {"en": "Colours of the map, from none (black) over red to more (yellow)"},
    "help_title": {"en": "Mouse, touch and keys"},
    "help_window": {"en": "Window. Drag right: wider; up: brighter. Or the arrow keys"},
    "help_crop": {"en": "Crop. Drag a box or its sides. Arrow keys move it, with Shift they size it"},
    "help_pan": {"en": "Move. Also middle button or Space with any tool; two fingers on a touch screen"},
    "help_zoom": {"en": "Zoom. Also the wheel, or two fingers"},
    "help_fit": {"en": "Fit. Also double click"},
    "help_turn": {"en": "Invert; turn by 90°"},
    "help_crop_map": {"en": "Show only the crop; hide or show the map"},
    "help_reset": {"en": "Undo every adjustment"},
}

CATALOGUE: dict[str, dict[Language, str]] = {
    **VIEWER,
    # --- every page
    "title": {"en": "cxrtriage"},
    "reading": {"en": "Reading"},
    "caution": {"en": "Research and teaching. Not a medical device. Nothing leaves this machine."},
    # --- opening a film
    "open_film": {"en": "Open a chest film"},
    "open_film_drop": {"en": "or drop it here: DICOM, PNG, JPEG, TIFF, WebP, up to 256 MB"},
    "open_film_help": {
        "en": "DICOM, PNG, JPEG, TIFF or WebP, up to 256 MB. The file stays on this machine and is not kept."
    },
    "example": {"en": "Example films"},
    "example_choose": {"en": "Choose an example"},
    "synthetic_title": {"en": "Synthetic film {seed} (drawn, no patient)"},
    "example_notice": {"en": "Example: {title}. {licence}. {source}"},
    "camera": {"en": "Camera"},
    "camera_help": {
        "en": "Photograph a film on its light box or on a screen with this device's camera. "
        "A phone's own camera app sees more detail: take the picture there and open it as a file."
    },
    "camera_take": {"en": "Straight on, the film filling the picture"},
    "opening": {"en": "Opening the film …"},
    "bad_file": {"en": "{message} (code: {code})"},
    # --- what the reader noted
    "film_facts": {"en": "{columns} × {rows}, {bits} bit, {format}"},
    "view_by_tag": {"en": "{view} by the file's tag"},
    "view_unknown": {"en": "View not stated in the file"},
    "view_by_look": {"en": "{view} by look"},
    "no_gate": {
        "en": "No gate is installed: nothing checks that this is a frontal chest film. "
        "Look before you trust a score."
    },
    "gate_checking": {"en": "The gate looks at it first."},
    "gate_accepted": {"en": "Frontal chest film"},
    "gate_cautioned": {"en": "Look at this first"},
    "gate_refused": {"en": "Not read"},
    "gate_read_anyway": {"en": "Read anyway"},
    "gate_read_anyway_help": {"en": "Every output then says that the gate advised against it."},
    "gate_right": {"en": "Turn it upright and read it"},
    "gate_right_help": {
        "en": "Turns and inverts the film as the gate says. The file stays as it is; check the side marker."
    },
    "gate_cut_out": {"en": "Cut the film out and read it"},
    "gate_cut_out_help": {
        "en": "Leaves out what lies around the film, which moves the scores, and lets the gate look again. "
        "The file stays as it is."
    },
    "not_read": {"en": "Not read; see above."},
    "not_read_film": {"en": "Not read."},
    "gate_waits": {"en": "No film open"},
    "gate_waits_words": {"en": "What the file says of itself appears here."},
    # --- scores
    "scores": {"en": "What the models say"},
    "scores_wait": {"en": "Open a film, and the scores appear here."},
    "reading_film": {"en": "Reading the film …"},
    "scores_foot": {"en": "No score says that a film is normal."},
    "class_tuberculosis": {"en": "Tuberculosis"},
    "class_covid19": {"en": "COVID-19"},
    "class_other_infection": {"en": "Other infection"},
    "disease_tuberculosis": {"en": "tuberculosis"},
    "disease_covid19": {"en": "COVID-19"},
    "disease_other_infection": {"en": "another lung infection"},
    "asks_tuberculosis": {
        "en": "Asks whether the film looks like films of tuberculosis, compared with films without it, well "
        "or ill. Other lung diseases can raise the score too."
    },
    "asks_covid19": {
        "en": "Asks whether the film looks like films of COVID-19 pneumonia, compared with films without it, "
        "well or ill. Other pneumonias can raise the score too."
    },
    "asks_other_infection": {
        "en": "Asks whether the film looks like films of a lung infection that is neither tuberculosis nor "
        "COVID-19, compared with films without one. Both of these, and other lung diseases, can raise the "
        "score too."
    },
    "call_flagged": {"en": "Above the threshold {threshold} ({point})."},
    "call_not_flagged": {"en": "Below the threshold {threshold} ({point})."},
    "call_uncertain": {"en": "Uncertain at threshold {threshold} ({point})."},
    "uncertain_members": {
        "en": "Uncertain, since the models disagree on this film: by as much as they do, a score from {low} "
        "to {high} could fall on either side of the threshold."
    },
    "uncertain_alone": {
        "en": "Uncertain, since models usually disagree: by as much as they do, a score from {low} to {high} "
        "could fall on either side of the threshold."
    },
    "uncertain_split": {
        "en": "Uncertain, since the models fall on both sides of the threshold {threshold} and their mean is "
        "near one half."
    },
    "threshold_source": {"en": "Threshold {threshold} ({point}): set on {population}."},
    "point_sensitivity": {"en": "sensitivity {value}"},
    "point_specificity": {"en": "specificity {value}"},
    "point_youden": {"en": "Youden's index"},
    "points": {"en": "Thresholds"},
    "points_site": {"en": "Thresholds of {site}"},
    "points_help": {
        "en": "Sensitivity 0.90: 90 of 100 films with the disease lie above. Specificity 0.70: 70 of 100 "
        "films without it lie below. Youden's index: both shares together as large as can be. All as "
        "measured on the films named with each score. Another threshold changes no score."
    },
    "meter_label": {"en": "{label}: {probability} of 1; threshold {threshold}"},
    "members_spread": {"en": "Models {low} to {high}; question and threshold"},
    "member_alone": {"en": "One model; question and threshold"},
    "moved": {"en": "As filed {before}, adjusted {after} ({difference})"},
    "read_adjusted": {"en": "Read the adjusted film"},
    "read_adjusted_help": {
        "en": "Off: the models read the film as filed, whatever you do to it in the viewer. "
        "On: they read what you see, crop and all, and the page shows how each score moves."
    },
    # --- the map
    "map": {"en": "Map of the score"},
    "map_net": {"en": "Model"},
    "map_net_help": {
        "en": "The mean lays the models' maps together; each has looked at the film in its own way."
    },
    "map_method": {"en": "Map made by"},
    "map_grad_cam": {"en": "Grad-CAM"},
    "map_relevance": {"en": "Relevance"},
    "map_method_help": {
        "en": "Grad-CAM shows at which places the model's last features spoke for the disease (Selvaraju "
        "2017; for a model that weighs them zone by zone, Draelos 2020); relevance, on which places its "
        "answer drew through all its layers of attention (Chefer 2021). They may differ."
    },
    "map_method_measured": {
        "en": "On {films} test films of {patients} patients with lesions drawn by hand, the strongest place "
        "lay in a lesion on {shares} of 100 films (95 % interval); a place taken at random in the lungs "
        "would on {chance}."
    },
    "map_method_share": {"en": "{share} by {method}"},
    "map_method_unmeasured": {"en": "How often each points at a lesion was not measured for these weights."},
    "map_mean": {"en": "Mean of the models"},
    "map_all_nets": {"en": "the mean of the models"},
    "map_drawing": {"en": "Drawing the map …"},
    "map_caption": {"en": "Where the score for {disease} came from in {net}, not where disease is."},
    "map_caption_relevance": {
        "en": "Where the score for {disease} came from in {net} by relevance, not where disease is."
    },
    "map_empty": {"en": "Nothing in the film spoke for {disease} in {net}: there is no map."},
    "map_limits": {
        "en": "Such maps mark the right place clearly less often than radiologists do, least of all for "
        "small or many lesions (Saporta 2022)."
    },
    "map_lesions": {"en": "Lesion likelihood"},
    "map_lesions_net": {"en": "Severity model"},
    "map_lesions_caption": {
        "en": "How likely a lesion is at each place, as learnt from scores of whole zones, opacities laid "
        "into films and a few drawn lesions. Not an outline of disease."
    },
    "map_lesions_empty": {"en": "There is no map of lesion likelihood for this film."},
    # --- where and how much
    "severity": {"en": "Where and how much"},
    "severity_wait": {"en": "Zones and scales appear here."},
    "severity_no_net": {"en": "No severity model is installed, so zones and scales are not read."},
    "severity_no_lungs": {"en": "No lungs were found, so zones and scales were not read."},
    "severity_one_lung": {"en": "Only one lung was found, so zones and scales were not read."},
    "severity_unread": {"en": "Zones and scales were not read for this film."},
    "severity_doubtful": {
        "en": "Two lungs were not found with certainty: the zones may lie in the wrong place."
    },
    "severity_empty": {"en": "Six zones and four scales, without numbers yet."},
    "severity_foot": {
        "en": "The patient's right lies on the left. The band about a mark holds the readers' score in 90 of "
        "100 films. Learnt from films of COVID-19 pneumonia: what else is white in a lung counts too."
    },
    "category_of": {"en": "by opacity"},
    "category_none": {"en": "None found"},
    "category_little": {"en": "Below mild"},
    "category_mild": {"en": "Mild"},
    "category_moderate": {"en": "Moderate"},
    "category_severe": {"en": "Severe"},
    "left_side": {"en": "L"},
    "zone": {"en": "{side} {level} zone"},
    "side_right": {"en": "Right"},
    "side_left": {"en": "Left"},
    "level_upper": {"en": "upper"},
    "level_middle": {"en": "middle"},
    "level_lower": {"en": "lower"},
    "zones_scale": {"en": "Number in each zone"},
    "zones_brixia": {"en": "Brixia zones"},
    "zones_array": {"en": "Chance per zone"},
    "zones_brixia_title": {"en": "Brixia, 0 to 3 a zone"},
    "zones_array_title": {"en": "Chance, 0 to 1 a zone"},
    "zones_brixia_meaning": {
        "en": "each zone from 0, no opacity, to 3, interstitial and alveolar opacities, more alveolar "
        "(Borghesi 2020)."
    },
    "zones_array_meaning": {"en": "how likely readers would call this zone affected, 0 to 1 (Park 2021)."},
    "brixia_nearest": {"en": "Nearest to {nearest}: {meaning}"},
    "brixia_0": {"en": "no opacity."},
    "brixia_1": {"en": "interstitial opacities."},
    "brixia_2": {"en": "interstitial and alveolar opacities, more interstitial."},
    "brixia_3": {"en": "interstitial and alveolar opacities, more alveolar."},
    "scale_value": {"en": "{value} of {top}"},
    "scale_interval": {"en": "{low} to {high}"},
    "scale_band": {"en": "In 90 of 100 films the readers' score lies in such a band: here {low} to {high}."},
    "scale_error": {"en": "Mean error against readers {error}."},
    "scale_unmeasured": {"en": "Its error was not measured."},
    "scale_array_score": {"en": "Array score"},
    "scale_brixia": {"en": "Brixia"},
    "scale_extent": {"en": "Extent"},
    "scale_opacity": {"en": "Opacity"},
    "scale_array_score_meaning": {"en": "how many of the six zones are affected, 0 to 6 (Park 2021)."},
    "scale_brixia_meaning": {"en": "0 to 3 a zone, six zones added up, 0 to 18 (Borghesi 2020)."},
    "scale_extent_meaning": {
        "en": "how much of the lungs is opaque, 0 to 4 a lung in quarters, both added up, 0 to 8 (Cohen "
        "2020)."
    },
    "scale_opacity_meaning": {
        "en": "how dense it is, 0 none, 1 ground glass, 2 consolidation, 3 white-out, both lungs added up, "
        "0 to 6 (Cohen 2020)."
    },
    "scales_meaning": {"en": "What the scales mean, and the error of each"},
    "error_both": {
        "en": "Two readers differ by {readers} on the Brixia score (0 to 18); this program differs from them "
        "by {ours}."
    },
    "error_ours": {
        "en": "This program differs from readers by {ours} on the Brixia score (0 to 18); how far two "
        "readers differ was not measured."
    },
    "error_unmeasured": {
        "en": "How far these numbers lie from readers' was not measured: do not rely on them."
    },
    "disagree_nowhere": {"en": "Classes, map and zones do not contradict each other."},
    "disagree_class_without_zone": {
        "en": "They disagree: the score for {disease} is above its threshold, but no zone is likely to be "
        "affected."
    },
    "disagree_zones_without_class": {
        "en": "They disagree: no class is above its threshold, but {zones} of 6 zones are likely to be "
        "affected. It may be a disease that was not asked for."
    },
    "disagree_map_elsewhere": {
        "en": "They disagree: the score for {disease} comes mostly from the {zone}, which is not likely to "
        "be affected."
    },
    "disagree_map_outside": {
        "en": "They disagree: the strongest place of the map for {disease} lies outside the lungs that were "
        "found."
    },
    "map_place": {"en": "{share} % of the map for {disease} lies outside the lungs."},
    "map_place_peak": {
        "en": "{share} % of the map for {disease} lies outside the lungs, its strongest place too."
    },
    "disagree_much_outside": {
        "en": "Much of the map for {disease}, {share} %, lies outside the lungs that were found: the score "
        "may come from something other than lung. On most flagged films less than {usual} % does."
    },
    "disagree_scales_apart": {
        "en": "They disagree: in the {zone} the Brixia number and the chance say opposite things."
    },
    # --- the thresholds page
    "bench": {"en": "Thresholds"},
    "bench_open": {"en": "Open scores and truths"},
    "bench_open_drop": {"en": "or drop both here: rows of assess (JSONL) and a table of truths (CSV)"},
    "bench_open_help": {
        "en": "Scores: what python -m cxrtriage assess FILMS --out scores.jsonl writes. Truths: a CSV with "
        "the column file, a column tuberculosis, covid19 or other_infection with 1, 0 or nothing, and "
        "patient where there are several films of one. Both stay in this session."
    },
    "bench_scores": {"en": "{count} films were scored."},
    "bench_no_scores": {"en": "No scores yet: rows that python -m cxrtriage assess wrote (JSONL)."},
    "bench_truths": {"en": "{count} films have a truth."},
    "bench_no_truths": {
        "en": "No truths yet: a CSV with the column file, and tuberculosis, covid19 or other_infection with "
        "1, 0 or nothing."
    },
    "bench_matched": {"en": "{count} films have both."},
    "bench_how": {
        "en": "The order in which scores put films holds in another hospital better than a threshold does. "
        "Here you see what the models' thresholds give on films of yours whose truth you know, and set your "
        "own."
    },
    "bench_ask_sensitivity": {"en": "Sensitivity asked"},
    "bench_ask_specificity": {"en": "Specificity asked"},
    "bench_ask_help": {
        "en": "A threshold is set for each: as high as it may be without finding fewer of further films with "
        "the disease, on average, or as low as it may be without flagging more of those without it."
    },
    "bench_films": {"en": "{films_with} films with it, {films_without} without, one a patient."},
    "bench_auroc": {"en": "Area under the ROC curve {value}; 0.50 is chance, 1 perfect order."},
    "bench_of_card": {"en": "models' {point}"},
    "bench_own": {"en": "own {point}"},
    "bench_threshold": {"en": "Threshold"},
    "bench_value": {"en": "Score"},
    "bench_sensitivity": {"en": "Sensitivity"},
    "bench_specificity": {"en": "Specificity"},
    "bench_with": {"en": "films with it"},
    "bench_without": {"en": "films without it"},
    "bench_figure": {"en": "What each threshold gives on these films"},
    "bench_x": {"en": "threshold (score of 0 to 1, in log odds)"},
    "bench_y": {"en": "share of films"},
    "bench_foot": {
        "en": "In brackets the 95 % interval. Of an own threshold the rate that was asked for is what "
        "further films like these are expected to have; everything else is counted on these films."
    },
    "bench_too_few": {
        "en": "In brackets the 95 % interval. A threshold of your own takes at least 20 films with the "
        "disease and 20 without it, of different patients."
    },
    "bench_name": {"en": "Name of your hospital"},
    "bench_name_help": {"en": "It stands on every score that is held against these thresholds."},
    "bench_use": {"en": "Use in this session"},
    "bench_save": {"en": "Save thresholds"},
    "bench_used": {"en": "Films are held against the thresholds of {site} from now on."},
    # --- thresholds of the reader's own hospital
    "site": {"en": "Thresholds of your hospital"},
    "site_none": {
        "en": "Thresholds set elsewhere may flag far too many or too few of your films. Score films of which "
        "you know the truth (20 with a disease and 20 without it, or more), set thresholds on them on the "
        "page Thresholds, and open the file that you saved there here."
    },
    "site_used": {"en": "Films are held against thresholds of {site}, for the classes that it has set."},
    "site_line": {
        "en": "{label}, {point}: threshold {threshold}; sensitivity {sensitivity}, specificity "
        "{specificity}. Set on {films_with} films with it, {films_without} without."
    },
    "site_share": {"en": "{value} ({low} to {high})"},
    "site_promise": {
        "en": "Each rate is what further films like those are expected to have, with its 95 % interval: of "
        "the same kind of people, from the same machine. Set thresholds anew where these change."
    },
    "site_open": {"en": "Open thresholds"},
    "site_open_drop": {"en": "or drop the file here"},
    "site_leave": {"en": "Use the models' own thresholds"},
    # --- what a positive means
    "prevalence": {"en": "What a positive means where you work"},
    "prevalence_waits": {"en": "Open a film first."},
    "prevalence_class": {"en": "Disease"},
    "prevalence_percent": {"en": "How common (%)"},
    "prevalence_help": {
        "en": "Of the people you film for this reason, how many in a hundred have the disease. Where a "
        "number stands here already it is only a round one to begin with; put in your own."
    },
    "prevalence_empty": {"en": "Put in how many of 100 people you film have {disease}."},
    "prevalence_ill": {"en": "Of {people} such people, {ill} have {disease}."},
    "prevalence_above": {
        "en": "{above} lie above the threshold {threshold}; {above_ill} of them have {disease} ({chance})."
    },
    "prevalence_below": {
        "en": "{below} lie below it; {below_ill} of them have {disease} all the same ({chance})."
    },
    "prevalence_none_above": {"en": "Nobody lies above the threshold {threshold}."},
    "prevalence_none_below": {"en": "Nobody lies below it."},
    "prevalence_source_site": {
        "en": "Reckoned with sensitivity {sensitivity} and specificity {specificity}, as expected of further "
        "films like these: {population}. How sure that is stands under the thresholds of your hospital."
    },
    "prevalence_source": {
        "en": "Reckoned with sensitivity {sensitivity} and specificity {specificity}, as measured on "
        "{population}. These are few films, and not of your patients: take the counts as a guide."
    },
    # --- findings
    "findings": {"en": "What the film shows"},
    "findings_foot": {"en": "Findings as NIH's labels name them, 0 to 1. Not a diagnosis."},
    "findings_more": {"en": "{count} less likely ones"},
    "finding_atelectasis": {"en": "Atelectasis"},
    "finding_cardiomegaly": {"en": "Cardiomegaly"},
    "finding_consolidation": {"en": "Consolidation"},
    "finding_edema": {"en": "Oedema"},
    "finding_effusion": {"en": "Pleural effusion"},
    "finding_emphysema": {"en": "Emphysema"},
    "finding_fibrosis": {"en": "Fibrosis"},
    "finding_hernia": {"en": "Hernia"},
    "finding_infiltration": {"en": "Infiltration"},
    "finding_nodule_mass": {"en": "Nodule or mass"},
    "finding_opacity": {"en": "Opacity"},
    "finding_pleural_thickening": {"en": "Pleural thickening"},
    "finding_pneumonia": {"en": "Pneumonia"},
    "finding_pneumothorax": {"en": "Pneumothorax"},
    # --- model facts
    "facts": {"en": "Model facts"},
    "facts_model": {"en": "Model"},
    "facts_model_help": {
        "en": "The ensemble is what reads films unless you ask for others. Each model can be looked at alone."
    },
    "facts_ensemble": {"en": "The ensemble that reads films"},
    "facts_ensemble_short": {"en": "the ensemble"},
    "facts_none": {"en": "No model is there: the folder of weights is empty. Fetch the weights again."},
    "facts_about": {"en": "What it is"},
    "facts_what_for": {"en": "For"},
    "facts_severity": {"en": "Severity: zones, scales and the lesion map"},
    "facts_for_severity": {
        "en": "Says how much of the lungs is affected, zone by zone and on four scales of the literature, "
        "with the interval in which nine readers' scores of ten lay."
    },
    "facts_severity_errors": {"en": "How far it is from readers"},
    "facts_scale": {"en": "Scale"},
    "facts_our_error": {"en": "Mean error"},
    "facts_readers_error": {"en": "Two readers differ by"},
    "facts_covered": {"en": "In its interval"},
    "facts_severity_foot": {
        "en": "Mean absolute error on test films with its 95 % interval, in points of the scale. Truth is "
        "the mean of the readers. The last column: how many readers' scores lay in the interval shown; 90 % "
        "is aimed at."
    },
    "facts_stay_at_0": {"en": "Array score stays at 0"},
    "facts_still_foot": {"en": "Test films that their hospital calls free of a finding."},
    "measured_array_score": {"en": "Array score (0 to 6)"},
    "measured_brixia": {"en": "Brixia (0 to 18)"},
    "measured_brixia_zone": {"en": "Brixia, a zone (0 to 3)"},
    "measured_extent": {"en": "Geographic extent (0 to 8)"},
    "measured_opacity": {"en": "Opacity (0 to 6)"},
    "facts_for_diagnosis": {
        "en": "Putting frontal chest films of adults in order for a clinician's reading, and teaching. "
        "A person reads every film."
    },
    "facts_for_lungs": {
        "en": "Finding the lungs in frontal chest films, so that the other models look there and nowhere "
        "else."
    },
    "facts_members": {
        "en": "{label}: the mean of the log odds of {members}, weighted so that each moves it by as much."
    },
    "facts_net": {"en": "{name}: {architecture}, sees {size} pixels, weights {digits}."},
    "facts_not_for": {"en": "Not for"},
    "facts_never": {
        "en": "A diagnosis, a treatment, or sending anyone home; lateral films, other parts of the body, "
        "CT slices."
    },
    "facts_licence": {"en": "Terms of use"},
    "facts_trained": {"en": "Trained on"},
    "facts_source": {"en": "Source"},
    "facts_films": {"en": "Films"},
    "facts_terms": {"en": "Terms as stated there"},
    "facts_masks": {"en": "{count} lung masks"},
    "facts_some_films": {"en": "{count} films"},
    "facts_some_slices": {"en": "{count} slices"},
    "facts_for_ct": {
        "en": "Marking lesions of COVID-19 pneumonia, and the lungs, on axial CT slices of the chest; a"
        " rule over the slices then decides for the series."
    },
    "facts_for_gate": {
        "en": "Keeping from being read what is no whole frontal chest film of an adult, and saying "
        "which way up a film is."
    },
    "facts_ct_errors": {"en": "How far it is from experts' masks"},
    "facts_slices": {"en": "Slices"},
    "facts_lesions": {"en": "Lesions found"},
    "facts_called": {"en": "Slices with a lesion called"},
    "facts_clear": {"en": "Slices without left clear"},
    "facts_ct_foot": {
        "en": "Dice over all pixels, with its 95 % interval. Of one series and of single slices of "
        "other patients: few patients, so that another hospital may differ by more than the "
        "interval says."
    },
    "facts_series": {"en": "Series"},
    "facts_expected": {"en": "Expected"},
    "facts_decided": {"en": "Decided"},
    "facts_affected": {"en": "Slices affected"},
    "facts_series_foot": {"en": "Series that were not trained on. Coronacases were marked by another net."},
    "ct_measured_series": {"en": "A whole series"},
    "ct_measured_single_slices": {"en": "Single slices of many patients"},
    "facts_gate_what": {"en": "Pictures"},
    "facts_share_head": {"en": "Share"},
    "facts_gate_accepted": {"en": "frontal films of adults accepted"},
    "facts_gate_shipped": {"en": "The shipped gate, test films"},
    "facts_gate_unseen": {"en": "A gate never shown {sources}, on their films"},
    "facts_gate_foot": {
        "en": "Of films turned, inverted and mirrored on purpose: how many are told. Of other pictures:"
        " how many are kept from being read."
    },
    "gate_sign_inverted": {"en": "inverted, told"},
    "gate_sign_rotated_90": {"en": "on its side, told"},
    "gate_sign_rotated_180": {"en": "on its head, told"},
    "gate_sign_righted": {"en": "turned or inverted, righted"},
    "gate_sign_view": {"en": "PA or AP right, where it is said"},
    "gate_sign_view_written": {"en": "PA or AP right, where said and written on the film itself"},
    "gate_sign_view_said": {"en": "PA or AP said at all"},
    "gate_sign_mirrored": {"en": "mirrored, told"},
    "facts_trained_foot": {
        "en": "A source with films of one kind alone teaches the hospital with the disease: see what speaks "
        "against the model."
    },
    "label_normal": {"en": "without a finding"},
    "label_tuberculosis": {"en": "tuberculosis"},
    "label_covid19": {"en": "COVID-19"},
    "label_other_infection": {"en": "other infection"},
    "label_other": {"en": "other disease"},
    "facts_unmeasured": {
        "en": "These weights were never measured here: nothing is known of how well they do. "
        "`python -m train evaluate` measures them."
    },
    "facts_rest": {"en": "all other films, well or ill"},
    "facts_normal": {"en": "films without a finding"},
    "facts_auroc": {"en": "AUROC against {against}: {value}."},
    "facts_within": {
        "en": "AUROC within hospitals that show both ({sources}): {value}. Trust this one more."
    },
    "facts_point": {
        "en": "At the threshold for {point}: sensitivity {sensitivity}, specificity {specificity}; "
        "{uncertain} of 100 films are called uncertain."
    },
    "facts_ece": {"en": "Calibration error {ece}, Brier score {brier} (0 is best for both)."},
    "facts_roc": {"en": "ROC, test films"},
    "facts_false_alarms": {"en": "1 - specificity"},
    "facts_sensitivity": {"en": "sensitivity"},
    "facts_reliability": {"en": "Does 0.3 mean 30 of 100?"},
    "facts_probability": {"en": "probability shown"},
    "facts_share": {"en": "share with the disease"},
    "facts_step_films": {"en": "{films} films"},
    "facts_with": {"en": "With"},
    "facts_without": {"en": "Without"},
    "facts_auroc_head": {"en": "AUROC"},
    "facts_flagged": {"en": "Flagged"},
    "facts_sources_foot": {
        "en": "Test films, never trained on, of hospitals whose other films were. In brackets the 95 % "
        "interval "
        "(bootstrap over patients)."
    },
    "facts_failures": {"en": "What speaks against it"},
    "facts_failures_foot": {
        "en": "Reckoned from the figures of these very weights; nothing is left out by hand."
    },
    "facts_no_failures": {"en": "The figures show nothing against it; that is no proof."},
    "facts_maps": {"en": "Do its maps point at lesions?"},
    "facts_map_method": {"en": "Map made by"},
    "facts_map_hit": {"en": "Strongest place in a lesion"},
    "facts_map_chance": {"en": "A place at random in the lungs"},
    "facts_maps_foot": {
        "en": "Share of {films} test films of {patients} patients, with lesions drawn by hand; in brackets "
        "the 95 % interval. Where intervals hold the share at random, nothing shows that the map points at "
        "disease."
    },
    "facts_lungs": {"en": "Overlap with masks drawn by people"},
    "facts_dice": {"en": "Dice"},
    "facts_dice_foot": {"en": "1 is the same mask, 0 none of it. Test films."},
    "dice_all": {"en": "All"},
    "dice_lowest": {"en": "The worst film"},
    "failure_unseen": {
        "en": "{net}, trained anew without {source} and asked about its films: AUROC for {disease} {auroc}."
    },
    "failure_unseen_calls": {
        "en": "{net}, trained anew without {source} and asked about its films: AUROC for {disease} {auroc}; "
        "a threshold that knew nothing of it gave sensitivity {sensitivity}, specificity {specificity}."
    },
    "failure_never_unseen": {
        "en": "For {disease} there is no figure from a hospital it never saw: expect less than the test "
        "films say."
    },
    "failure_subgroup": {
        "en": "For {disease} it does worse in the group {group}: AUROC {auroc}, all films {whole}."
    },
    "failure_few_films": {
        "en": "Too few test films show {disease} to tell how it does in these groups: {groups}."
    },
    "failure_lungs_out": {
        "en": "With the lungs blacked out {net} still tells films of {disease} from films without a finding, "
        "AUROC {left} (whole films {whole}): part of the score comes from elsewhere."
    },
    "failure_border": {
        "en": "The outer edge of what it sees is enough for {net} to tell films of {disease} from films "
        "without a finding, AUROC {left} (whole films {whole}): it can tell hospitals apart."
    },
    "failure_findings_hidden": {
        "en": "It also learnt {findings}, but not well enough to be shown (AUROC under 0.70, or too few "
        "films)."
    },
    # --- follow-up
    "follow_up": {"en": "Follow-up"},
    "course_open": {"en": "Open films of one patient"},
    "course_open_drop": {"en": "or drop them here, or a course saved before (JSON)"},
    "course_open_help": {
        "en": "Several chest films at once (DICOM, PNG, JPEG, TIFF or WebP), or the JSON of a course that "
        "was saved here. They stay on this machine and are not kept."
    },
    "course_label": {"en": "Label"},
    "course_label_hint": {"en": "Label of your own"},
    "course_label_help": {
        "en": "What you call this course. It is never taken from the files, and it is saved with the course: "
        "put in no name of a patient."
    },
    "course_save": {"en": "Export course"},
    "course_save_help": {
        "en": "Label, dates, file names and scores of all films that have a date, as JSON. No films."
    },
    "course_clear": {"en": "Start anew"},
    "course_clear_help": {"en": "Takes away all films, dates and the label."},
    "course_problem": {"en": "{name}: {problem}"},
    "course_known": {"en": "This film is in the course already."},
    "course_full": {"en": "A course holds at most {most} films here; remove one first."},
    "course_not_one": {"en": "This is no saved course; choose the JSON that this page exported."},
    "course_other_label": {
        "en": "This course has the label {label} and may be another patient's; start anew before you open it."
    },
    "course_nameless": {"en": "Film"},
    "course_empty": {"en": "How a patient's films change"},
    "course_empty_words": {
        "en": "Open two or more chest films of one patient and give each its date. They stand side by side "
        "with the same zoom and window, and the page says whether their scores differ by more than the error "
        "of the measure."
    },
    "course_date_of": {"en": "Date of {name}"},
    "course_remove": {"en": "Remove"},
    "course_remove_of": {"en": "Remove {name} from the course"},
    "course_numbers_only": {"en": "Scores only. Open the film again to see it."},
    "course_size": {"en": "{columns} × {rows}"},
    "course_undated": {
        "en": "Give each film its date; none is taken from the files. {count} still lack one."
    },
    "course_undated_one": {
        "en": "Give each film its date; none is taken from the files. One still lacks its own."
    },
    "course_one_more": {"en": "One more film with a date, and both are compared here."},
    "course_reading": {"en": "Reading film {place} of {count} …"},
    "course_before": {"en": "Earlier film"},
    "course_after": {"en": "Later film"},
    "course_film": {"en": "{date}: {name}"},
    "course_linked": {"en": "Move both together"},
    "course_linked_help": {
        "en": "Zoom, place, window and inversion of one film are those of the other; also when you choose "
        "another date. The window is a share of each film's own greys."
    },
    "course_no_film": {"en": "No film here"},
    "course_no_film_words": {
        "en": "This date came with a saved course, which holds scores only. Open its film again to see it."
    },
    "months": {"en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"},
    "date": {"en": "{day} {month} {year}"},
    "days_none": {"en": "same day"},
    "days_one": {"en": "1 day"},
    "days_many": {"en": "{days} days"},
    "change": {"en": "{before} to {after} ({days})"},
    "change_waits": {"en": "Reading the films …"},
    "change_more": {"en": "More in the later film, beyond the error of the measure: {scales}."},
    "change_less": {"en": "Less in the later film, beyond the error of the measure: {scales}."},
    "change_mixed": {
        "en": "The scales disagree, each beyond its error. More in the later film: {more}; less: {less}."
    },
    "change_within_error": {
        "en": "No scale changed beyond the error of the measure. A smaller change may be there all the same."
    },
    "change_unknown": {"en": "Whether the patient's lungs changed cannot be said in numbers."},
    "change_row_more": {"en": "More: the change exceeds the error of ±{error}."},
    "change_row_less": {"en": "Less: the change exceeds the error of ±{error}."},
    "change_row_within_error": {"en": "Within the error of ±{error}: no change can be claimed."},
    "change_errors": {"en": "Two readers ±{readers}, this program ±{own}."},
    "change_error_own": {"en": "This program's; that of readers is not known."},
    "change_scores": {"en": "{before} → {after} of {full}"},
    "change_meter": {"en": "{scale}: change {difference}, error ±{error}"},
    "change_foot": {
        "en": "±: 90 of 100 pairs of films without a true change stay within it, on each scale by itself. "
        "The larger of both errors counts."
    },
    "change_views": {
        "en": "One film is {before}, the other {after}: some of a change, or of none, may come from that."
    },
    "change_versions": {
        "en": "The two films were read by different versions of the nets; open both films to read them anew."
    },
    "change_doubt": {"en": "{date}: {sentence}"},
    "visit_none": {
        "en": "These readings hold no severity scores, since no severity net is installed: compare the films "
        "by eye."
    },
    "visit_no_lungs": {"en": "{date}: no severity score, since two lungs were not found."},
    "visit_missing": {"en": "{date}: this reading holds no severity score."},
    "visit_refused": {"en": "{date}: this film was not read. {sentence}"},
    "visit_refused_unsaid": {"en": "The saved course does not say why."},
    "said_array_score": {"en": "affected zones"},
    "said_brixia": {"en": "Brixia score"},
    "said_extent": {"en": "extent"},
    "said_opacity": {"en": "opacity"},
    "scale_of": {"en": "{scale}, 0 to {full}"},
    "course_meanings": {"en": "What the scales mean"},
    "meaning_array_score": {
        "en": "Affected zones: how many of six lung zones show an opacity, 0 to 6 (array score, Park 2021)."
    },
    "meaning_brixia": {
        "en": "Brixia score: 0 to 3 in each of six zones, from clear over interstitial to mostly alveolar, "
        "0 to 18 in all (Borghesi 2020)."
    },
    "meaning_extent": {
        "en": "Extent: how much of both lungs is opaque, 0 to 4 a lung, 0 to 8 in all (Cohen 2020)."
    },
    "meaning_opacity": {
        "en": "Opacity: how dense it is, 0 to 3 a lung, 0 to 6 in all, 6 being white (Cohen 2020)."
    },
    "course_chart": {"en": "Scores over time"},
    "course_chart_foot": {
        "en": "Bars: the interval that holds the readers' score in 90 of 100 films. Filled: the two films "
        "compared above."
    },
    "course_hover": {"en": "{date}<br>{value} ({low} to {high}) of {full}"},
    "change_zones_brixia": {"en": "Brixia by zone, 0 to 3"},
    "change_zones_array": {"en": "Chance affected, 0 to 1"},
    "zones_right": {"en": "Right"},
    "zones_left": {"en": "Left"},
    "zones_foot": {
        "en": "Later minus earlier. Zones have no interval of their own, and two readers differ by {readers} "
        "in a Brixia zone on average: read them for where, not for whether."
    },
    # --- CT series
    "ct_series": {"en": "CT series"},
    "ct_open": {"en": "Open a CT series"},
    "ct_open_drop": {"en": "or drop it here: all slices, a ZIP or a NIfTI volume"},
    "ct_open_help": {
        "en": "All DICOM files of one axial chest series (choose them together), a ZIP of them, a NIfTI "
        "volume, or slices saved as pictures. They are read on this machine and not kept."
    },
    "ct_opening": {"en": "Opening the slices …"},
    "ct_example_help": {"en": "Opens a series that comes along, to look around."},
    "ct_drawn": {"en": "Drawn example (no patient)"},
    "ct_drawn_notice": {
        "en": "Example: a chest drawn by a program, with {count} opacities of {ml} ml in all. No patient."
    },
    "ct_choose": {"en": "Series"},
    "ct_choose_one": {"en": "{name}, {count} slices"},
    "ct_clear": {"en": "Close"},
    "ct_stop": {"en": "Stop"},
    "ct_go_on": {"en": "Go on reading"},
    "ct_progress": {"en": "{done} of {count} slices read"},
    "ct_empty_title": {"en": "No series open"},
    "ct_empty_words": {
        "en": "Open an axial CT series of the chest above, or an example to look around. Lesions are boxed "
        "slice by slice, and a rule over the slices says whether the series counts as positive. Nothing is "
        "sent anywhere and nothing is kept."
    },
    "ct_tools": {"en": "Window and marks"},
    "ct_window": {"en": "Window"},
    "ct_window_lung": {"en": "Lung"},
    "ct_window_mediastinum": {"en": "Mediastinum"},
    "ct_boxes": {"en": "Boxes"},
    "ct_outlines": {"en": "Outlines"},
    "ct_slice": {"en": "Slice"},
    "ct_stage": {
        "en": "CT slice. Wheel, arrow keys or a drag to the side scroll; N and P go to the next and the "
        "previous slice with a lesion."
    },
    "ct_legend": {
        "en": "Quadrants of every slice, from the base of the chest to its top where positions are known:"
        " red where the net is sure of a lesion, amber the run that decided. Click to go there; wheel, "
        "arrow keys, N and P scroll."
    },
    "ct_quadrants": {"en": "upper left|upper right|lower left|lower right"},
    "ct_unread": {"en": "not read yet"},
    "ct_lesions": {"en": "{count} marked"},
    "ct_decision": {"en": "Rule over the series"},
    "ct_waits": {"en": "Waiting for a series"},
    "ct_waits_words": {"en": "The decision and why it was taken appear here."},
    "ct_reading": {"en": "Reading …"},
    "ct_positive": {"en": "Positive"},
    "ct_negative": {"en": "Not positive"},
    "ct_undetermined": {"en": "Undetermined"},
    "ct_why_positive": {
        "en": "Lesions in the {quadrant} quadrant of the picture on {count} slices in a row, slice "
        "{first} to {last}."
    },
    "ct_why_negative": {
        "en": "Lesions were marked on {affected} of {count} slices, in no quadrant on as many slices in a"
        " row as the rule asks. That does not mean that the lungs are clear."
    },
    "ct_why_undetermined": {"en": "Lesions were marked on {affected} of {count} slices."},
    "ct_rule_foot": {
        "en": "Positive where one quadrant holds at least {area} pixels of lesion on {slices} slices in a"
        " row{reach}; of lesions, only those that the net is sure of count for it. The net learnt COVID-19 "
        "pneumonia of adults; other pneumonia, oedema, bleeding and tumours look alike to it. It errs: "
        "{errors}."
    },
    "ct_rule_reach": {"en": ", over at least {mm} mm"},
    "ct_errors": {
        "en": "on a series never seen it marked {recall} of 100 drawn lesions and called {clear} of 100 "
        "slices without one clear"
    },
    "ct_no_errors": {"en": "how often was not measured for these weights"},
    "ct_spacing": {"en": "Slices {z} mm apart, pixels {x} mm."},
    "ct_no_spacing": {
        "en": "The distance of slices and the size of pixels are not known, so no volume is given."
    },
    "ct_volume": {"en": "Volume marked"},
    "ct_volume_line": {"en": "{lesion} ml, {percent} % of the lungs"},
    "ct_volume_sides": {
        "en": "Patient's right {right} ml, left {left} ml. Counted voxels: what was missed or marked by "
        "mistake counts too; Dice with drawn lesions was {dice}."
    },
    "ct_rule_settings": {"en": "Change the rule"},
    "ct_rule_slices": {"en": "Slices in a row"},
    "ct_rule_area": {"en": "Smallest lesion, pixels"},
    "ct_rule_changed": {
        "en": "Not the rule of the card ({slices} slices, {area} pixels); how often this one errs is not "
        "known."
    },
    "ct_table": {"en": "Slice by slice"},
    "ct_save_json": {"en": "JSON"},
    "ct_save_csv": {"en": "CSV"},
    "ct_save_montage": {"en": "Montage"},
    "ct_save_help": {
        "en": "What was found, without the patient's name; slices are called as their files are."
    },
    "ct_about": {
        "en": "Read in {seconds} s by cxrtriage {version}. Weights: {weights}. Not a medical device."
    },
    # --- versions
    "about": {"en": "Read in {seconds} s by cxrtriage {version}. Weights: {weights}."},
    "download": {"en": "Save as JSON"},
    "download_help": {
        "en": "The scores, thresholds and versions of this reading, and the name of the file; no pixels and "
        "nothing else from the file that names the patient."
    },
    "download_waits": {
        "en": "There is writing on the film. Blank it, or say that it holds no name; then this can be saved."
    },
    # --- writing on the film
    "writing_look": {"en": "Look at the writing ({count})"},
    "writing_line": {"en": "Blank {number}"},
    "writing_by_tag": {
        "en": "The file says so itself, and none was found by look. Where you see some, draw a crop box "
        "around it and blank that."
    },
    "writing_cut_off": {
        "en": "There was writing on the picture that the film was cut out of, and none was found on the film "
        "itself. Where you see some, draw a crop box around it and blank that."
    },
    "writing_blank": {"en": "Blank the writing"},
    "writing_blank_chosen": {"en": "Blank what is ticked"},
    "writing_blank_help": {
        "en": "Paints the boxes over, in the film at hand and never in your file, and reads the film anew. "
        "What is not ticked stays, on your word that it is no name."
    },
    "writing_harmless": {"en": "It is no name"},
    "writing_harmless_help": {
        "en": "The film stays as it is, and every output says that you looked and found no name."
    },
    "writing_blank_crop": {"en": "Blank what the crop box holds"},
    "writing_blank_crop_help": {
        "en": "For writing that was overlooked: paints the crop box over and reads the film anew."
    },
}


class Texts(Mapping[str, str]):
    """The catalogue in one language."""

    def __init__(self, language: Language = "en") -> None:
        self.language = language

    def __getitem__(self, key: str) -> str:
        return CATALOGUE[key][self.language]

    def __iter__(self) -> Iterator[str]:
        return iter(CATALOGUE)

    def __len__(self) -> int:
        return len(CATALOGUE)

    def fill(self, key: str, **values: object) -> str:
        """The text with its braces filled."""
        return self[key].format(**values)

    def named(self, kind: str, name: str) -> str:
        """The words for a class or finding: `KIND_NAME`, or its own name where the catalogue has none."""
        key = f"{kind}_{name}"
        return self[key] if key in CATALOGUE else name.replace("_", " ")

    def viewer(self) -> dict[str, str]:
        """Those that the viewer in the browser needs."""
        return {key: self[key] for key in VIEWER}
